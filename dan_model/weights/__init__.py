"""Weights from any source: the embedded ones, a folder, a published file, the Hugging Face Hub.

Read in this order: `checkpoints` (any source -> DAN), `published` (files in the published layout), `hub` (the only
module that connects to the Hub), `model_cards` (the README.md of a checkpoint), `fingerprint` (which network it is),
`onnx_export` (DAN as a file for other programs).
"""

from dan_model.weights.checkpoints import (
    CHECKPOINT_FILES,
    CONFIG_FILE,
    EMBEDDED,
    REFERENCE_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    import_published,
    load_backbone,
    load_checkpoint,
    load_or_embedded,
    write_checkpoint,
)
from dan_model.weights.fingerprint import fingerprint
from dan_model.weights.hub import HubAddress, UnreachableError, hub_endpoint, push_folder
from dan_model.weights.model_cards import model_card
from dan_model.weights.onnx_export import export_onnx
from dan_model.weights.published import PRESETS

__all__ = [
    "CHECKPOINT_FILES",
    "CONFIG_FILE",
    "EMBEDDED",
    "PRESETS",
    "REFERENCE_FILE",
    "WEIGHTS_FILE",
    "Checkpoint",
    "HubAddress",
    "UnreachableError",
    "export_onnx",
    "fingerprint",
    "hub_endpoint",
    "import_published",
    "load_backbone",
    "load_checkpoint",
    "load_or_embedded",
    "model_card",
    "push_folder",
    "write_checkpoint",
]
