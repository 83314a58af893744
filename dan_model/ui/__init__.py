"""The page. Gradio is known here and in app.py alone."""
