"""Plain sentences, made from the numbers alone: one for each view.

Read `words` first, then `prediction`, `heads`, `fusion` and `classes`, in the order of the page.
"""

from __future__ import annotations

from dan_model.show.sentences.classes import distances_sentence
from dan_model.show.sentences.fusion import (
    ABSENCE_NAMES,
    ONE_HEAD,
    ablation_sentence,
    absence_note,
    consensus_text,
    ledger_sentence,
    path_sentence,
    same_ranking,
    score_note,
    shapley_sentence,
    transplant_sentence,
    tug_sentence,
)
from dan_model.show.sentences.heads import (
    HARDLY_SELECT,
    attended_vs_used_sentence,
    gates_sentence,
    overlap_sentence,
    percentiles_note,
    regions_sentence,
    unusual_regions_note,
    usual_maps_sentence,
)
from dan_model.show.sentences.prediction import crop_notes, prior_note, summary
from dan_model.show.sentences.words import listed, reference_count
from dan_model.show.tiles import signed

__all__ = [
    "ABSENCE_NAMES",
    "HARDLY_SELECT",
    "ONE_HEAD",
    "ablation_sentence",
    "absence_note",
    "attended_vs_used_sentence",
    "consensus_text",
    "crop_notes",
    "distances_sentence",
    "gates_sentence",
    "ledger_sentence",
    "listed",
    "overlap_sentence",
    "path_sentence",
    "percentiles_note",
    "prior_note",
    "reference_count",
    "regions_sentence",
    "same_ranking",
    "score_note",
    "shapley_sentence",
    "signed",
    "summary",
    "transplant_sentence",
    "tug_sentence",
    "unusual_regions_note",
    "usual_maps_sentence",
]
