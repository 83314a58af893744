"""Make a checkpoint the embedded one: `python -m benchmarks.embed FOLDER`. docs/how-to/replace-the-weights.md goes on.

Matrices and kernels are written in float16, vectors and BatchNorm's statistics in float32, because some variances
overflow float16. The checksum in `dan_model/weights/checkpoints.py` follows.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import save

from dan_model.commands.terminal import exit_on_error
from dan_model.files import write_bytes, write_text
from dan_model.network import DAN
from dan_model.weights import EMBEDDED, load_checkpoint
from dan_model.weights import checkpoints as source
from dan_model.weights.checkpoints import CONFIG_FILE, EMBEDDED_SHA256, WEIGHTS_FILE


def main(
    folder: Annotated[Path, typer.Argument(help="The checkpoint folder of a training: runs/…/weights.")],
    out: Annotated[Path, typer.Option(help="Where to write.")] = EMBEDDED,
    code: Annotated[Path, typer.Option(help="The file with EMBEDDED_SHA256.")] = Path(source.__file__),
) -> None:
    """Write the network's weights and configuration into the package, and their checksum into the code."""
    with exit_on_error():
        model = load_checkpoint(folder).model
        data = packed(model)
        write_text(out / CONFIG_FILE, json.dumps(model.config.to_dict(), indent=2) + "\n")
        write_bytes(out / WEIGHTS_FILE, data)
        text = code.read_text(encoding="utf-8")
        write_text(code, text.replace(EMBEDDED_SHA256, hashlib.sha256(data).hexdigest()))
    typer.echo(f"{out / WEIGHTS_FILE}: {len(data) / 1e6:.1f} MB; now edit {out / 'README.md'} and {out / CONFIG_FILE}")


def packed(model: DAN) -> bytes:
    """The weights as a safetensors file: matrices and kernels in float16, all else as it is."""
    return save(
        {
            name: (tensor.to(torch.float16) if tensor.ndim > 1 else tensor).contiguous()
            for name, tensor in model.state_dict().items()
        },
        metadata={"format": "pt"},
    )


if __name__ == "__main__":
    typer.run(main)
