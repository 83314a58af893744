"""What identifies a network: its weights, labels and preprocessing."""

from __future__ import annotations

import json
from hashlib import sha256

from dan_model.network import DAN


def fingerprint(model: DAN) -> str:
    """A hash of a network with its labels and preprocessing, 16 hexadecimal digits."""
    digest = sha256(json.dumps(model.config.to_dict() | {"provenance": None}, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
