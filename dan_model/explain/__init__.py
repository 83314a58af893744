"""Explanations of one face: what each head attends to, how the fusion decides, attributions, and their faithfulness.

Read in this order: `heads`, `regions`, `fusion`, `score`, `attributions`, `attended_vs_used`, `reference`,
`explanation` (everything about one face), `faithfulness`, `explainer` (puts all of it together), `film` and
`film_timeline` (faces over time).
"""

from dan_model.explain.choices import FaceChoice
from dan_model.explain.explainer import Explainer
from dan_model.explain.explanation import Explanation, Prediction

__all__ = ["Explainer", "Explanation", "FaceChoice", "Prediction"]
