"""Explanations: heads, fusion, attributions, and the explainer that composes them."""
