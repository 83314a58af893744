from dan_model.cli import app

app(prog_name="python -m dan_model")
