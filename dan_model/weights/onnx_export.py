"""DAN as an ONNX file: logits, maps and embeddings of a batch of faces, for programs without PyTorch.

Every BatchNorm is folded into the layer before it, and the three parallel kernels of a spatial attention are merged
into one (they are summed before the ReLU): the same function, in fewer numbers.
"""

from __future__ import annotations

import contextlib
import copy
import json
import warnings
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from dan_model.errors import ArgumentError
from dan_model.network import DAN, Block, SpatialAttention

OUTPUTS = ("logits", "maps", "embeddings")
INSTALL = "pip install onnx onnxscript"
SIDE = 3  # cells; of the merged kernel


class MergedSpatialAttention(nn.Module):
    """`SpatialAttention` with one 3×3 convolution in place of its three parallel ones."""

    def __init__(self, attention: SpatialAttention) -> None:
        super().__init__()
        self.reduce = fuse_conv_bn_eval(*attention.conv1x1)
        self.merged = _merged([fuse_conv_bn_eval(*conv) for conv in _parallel(attention)])

    def map(self, x: Tensor) -> Tensor:
        """The attention map of the features x (B, C, 7, 7): (B, 1, 7, 7)."""
        return self.merged(self.reduce(x)).relu().sum(dim=1, keepdim=True)

    def forward(self, x: Tensor, spatial: Tensor) -> Tensor:
        return x * spatial


class _Outputs(nn.Module):
    """The stages of DAN that are written, in the order of `OUTPUTS`."""

    def __init__(self, model: DAN) -> None:
        super().__init__()
        self.model = model

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stages = self.model.stages(faces)
        return stages.logits, stages.spatial, stages.embeddings


def folded(model: DAN) -> DAN:
    """A copy of a network in eval mode without BatchNorm and parallel kernels, on the CPU in float32.

    Computed in float64, so that only the last rounding differs from the network itself.
    """
    copied = copy.deepcopy(model).cpu().double().eval().requires_grad_(False)
    stem: Any = copied.features
    stem[0], stem[1] = fuse_conv_bn_eval(stem[0], stem[1]), nn.Identity()
    for block in (module for module in stem.modules() if isinstance(module, Block)):
        block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
        block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
        if block.downsample is not None:
            block.downsample = fuse_conv_bn_eval(*block.downsample)
    for head in copied.heads:
        head.sa = MergedSpatialAttention(head.sa)  # type: ignore[assignment]
        first, normalise, *others = cast(Any, head.ca.attention)
        head.ca.attention = nn.Sequential(fuse_linear_bn_eval(first, normalise), *others)
    copied.fc, copied.bn = fuse_linear_bn_eval(copied.fc, copied.bn), nn.Identity()  # type: ignore[assignment]
    return copied.float().to(memory_format=torch.contiguous_format)


def export_onnx(model: DAN, path: Path) -> None:
    """Write a network as one ONNX file.

    Input `faces`, (B, 3, S, S) float32, normalised, for any B. Outputs: `logits` (B, K), `maps` (B, H, 7, 7) and
    `embeddings` (B, H, C). The file's metadata has every entry of config.json as JSON: `labels`,
    `preprocess` (`mean`, `std`, `image_size` …), `num_heads`, `provenance`, `class_prior`.

    Raises:
        ArgumentError: The packages that write ONNX are not installed, or the file cannot be written.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  PyTorch's exporter needs it
    except ImportError as error:
        raise ArgumentError(f"ONNX cannot be written: {error}.", f"Install what it needs: {INSTALL}.") from error
    side = model.config.preprocess.image_size
    faces = torch.zeros(2, 3, side, side)  # two: a batch of one would be taken for a constant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own parts
        program = torch.onnx.export(
            _Outputs(folded(model)), (faces,), dynamo=True, verbose=False, input_names=["faces"],
            output_names=list(OUTPUTS), dynamic_shapes={"faces": {0: torch.export.Dim("batch")}},
        )  # fmt: skip
    assert program is not None
    written = program.model_proto
    for part in (written.graph, *written.graph.node, *written.graph.value_info, *written.graph.input):
        del part.metadata_props[:]  # the exporter's notes, which hold paths of this machine
    described = {name: json.dumps(value) for name, value in model.config.to_dict().items()}
    onnx.helper.set_model_props(written, described)
    # Written in full before it has its name.
    aside = path.with_name(f"{path.name}.part")
    try:
        onnx.save(written, aside)
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise ArgumentError(f"{path} cannot be written: {error.strerror}.", "Give another file.") from error


def _parallel(attention: SpatialAttention) -> list[nn.Sequential]:
    return [attention.conv_3x3, attention.conv_1x3, attention.conv_3x1]


def _merged(convolutions: list[nn.Conv2d]) -> nn.Conv2d:
    """One convolution that is the sum of several smaller ones, each padded with zeros around its middle."""
    first = convolutions[0]
    merged = nn.Conv2d(first.in_channels, first.out_channels, SIDE, padding=SIDE // 2, dtype=first.weight.dtype)
    with torch.no_grad():
        merged.weight.zero_()
        assert merged.bias is not None
        merged.bias.zero_()
        for convolution in convolutions:
            rows, columns = ((SIDE - size) // 2 for size in convolution.kernel_size)
            merged.weight[:, :, rows : SIDE - rows, columns : SIDE - columns] += convolution.weight
            assert convolution.bias is not None
            merged.bias += convolution.bias
    return merged.requires_grad_(False)
