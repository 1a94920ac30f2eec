"""torchvision beside a CPU build of torch: its two missing operators, declared before it is first imported."""

import importlib.util
from pathlib import Path

import torch

_SCHEMAS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def declare_missing_operators() -> None:
    """Make `import torchvision` (and so timm) work where its binary part does not fit the installed torch.

    PyPI's Linux wheel of torchvision is built for CUDA. Where its library loads, nothing is declared.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for library in sorted(Path(spec.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call] # torch leaves it untyped
        except OSError:
            continue
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name.removeprefix("torchvision::")):
            torch.library.define(name, schema)
