"""Plain sentences, made from the numbers alone."""

from __future__ import annotations

from dan_model.explain.explainer import Explanation


def summary(explanation: Explanation) -> str:
    """What the network answers and which head moves the explained class the furthest."""
    labels, prediction, fusion = explanation.labels, explanation.prediction, explanation.fusion
    target = labels[explanation.target]
    answer = f"The network reads {prediction.label} ({float(prediction.probabilities[prediction.index]):.3f})."
    if fusion.ledger.shape[0] == 1:
        return f"{answer} With a single head there is nothing to fuse: the head's embedding is classified as it is."
    entries = fusion.ledger[:, explanation.target]
    head = int(entries.abs().argmax())
    moved, own = float(entries.sum()), float(entries[head])
    return (
        f"{answer} Where the heads disagree they move {target} by {moved:+.2f} logits; "
        f"Head {head + 1} moves it the furthest ({own:+.2f})."
    )
