from __future__ import annotations

from huggingface_hub import ModelCard

from dan_model.config import ModelConfig
from dan_model.weights import load_checkpoint, model_card


def test_the_card_of_the_embedded_weights_lists_measured_results():
    config = load_checkpoint().model.config
    card = ModelCard(model_card(config, "DAN on FER+", "mit"))
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    measured = config.provenance["validation"]
    assert results["accuracy"] == measured["accuracy"] > 0.8
    assert f"| contempt | {measured['recall']['contempt']} |" in card.content


def test_the_card_of_a_trained_network_lists_where_it_fails():
    provenance = {
        "dataset": "drawn faces",
        "recipe": {"phases": [{"size": 64, "epochs": 2}], "lr": 0.0123456},
        "validation": {
            "count": 20, "accuracy": 0.7, "labels": ["calm", "glad", "odd"],
            "per_class": {k: {"recall": r, "count": 5} for k, r in (("calm", 1), ("glad", 0.51239), ("odd", 0))},
            "confusion": [[8, 0, 0], [1, 6, 3], [2, 0, 0]],
        },
    }  # fmt: skip
    card = model_card(ModelConfig(("calm", "glad", "odd"), provenance=provenance), "DAN")
    assert "**Recipe.** phases size 64, epochs 2, lr 0.01235" in card
    assert "| glad | 0.5124 | 5 |" in card
    assert "| glad | 1 | 6 | 3 |" in card
    assert (
        "**Where it fails.** Recognised least: odd (0.00 of 2 found, most often taken for calm); "
        "glad (0.60 of 10 found, most often taken for odd)."
    ) in card
    assert "{" not in card
