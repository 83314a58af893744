"""Where an explanation comes from: software, weights, date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from html import escape
from typing import Any

from dan_model.texts import translate as _
from dan_model.version import __version__

NOTICE = _(
    "A predicted expression is not a felt emotion, and the network makes mistakes, for some people more than for "
    "others. Do not use this to infer emotions of people at work or in education: in the EU that is prohibited by "
    "Art. 5(1)(f) of the AI Act."
)
SOFTWARE = "DAN Explorer"


def origin(weights: str, provenance: Mapping[str, Any], fingerprint: str = "") -> dict[str, Any]:
    """What identifies the software and the weights, and when this was made, as JSON values; nothing of the photo.

    Args:
        weights: The name of the weights.
        provenance: Where they come from, as in `config.json`.
        fingerprint: Of the network with its labels and preprocessing (`weights.fingerprint`); empty where not known.
    """
    made_by = software_and_weights(weights, fingerprint)
    return {
        **made_by,
        "weights": {**made_by["weights"], "provenance": dict(provenance)},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "notice": NOTICE,
    }


def software_and_weights(weights: str, fingerprint: str = "") -> dict[str, Any]:
    """What identifies the software and the weights, as JSON values: the same whenever it is written.

    Args:
        weights: The name of the weights.
        fingerprint: Of the network with its labels and preprocessing (`weights.fingerprint`); empty where not known.
    """
    return {
        "software": {"name": SOFTWARE, "version": __version__},
        "weights": {"name": weights, "fingerprint": fingerprint or None},
    }


def definition_list(values: Mapping[str, Any]) -> str:
    """Nested values as nested HTML definition lists, whose lines wrap."""
    rows = (f"<dt>{escape(str(name))}</dt><dd>{_described(value)}</dd>" for name, value in values.items())
    return f'<dl class="dan-origin">{"".join(rows)}</dl>'


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return definition_list(value)
    if isinstance(value, (list, tuple)):
        if any(isinstance(one, Mapping) for one in value):
            return "".join(map(_described, value))
        return escape(", ".join(map(str, value)))
    return "–" if value is None else escape(str(value))
