"""The trained network as an ONNX graph, refused unless onnxruntime answers as torch does."""

import copy
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from data.bundle import OUTPUTS, Prediction, open_session, run_session
from data.errors import BundleError
from data.image import Pixels
from training.network import DeployedNetwork

TOLERANCE = 1e-3


def export_onnx(network: DeployedNetwork, images: Pixels, file: Path) -> float:
    """Write `file` and return the largest difference between torch and onnxruntime on prepared `images`.

    All four outputs are compared, uint8 [n, H, W, 3] in; the batch size stays open. Raises BundleError beyond TOLERANCE.
    """
    network.eval()
    exported = _clamping(network)
    with warnings.catch_warnings():
        # torch's own exporter calls what torch deprecates.
        warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated", category=FutureWarning)
        torch.onnx.export(
            exported,
            (torch.from_numpy(images[:2]),),
            file,
            input_names=["images"],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("n")},),
            external_data=False,
            verbose=False,
        )
    return check_parity(predict_torch(network, images), run_session(open_session(file, threads=2), images))


class _Clamp(nn.Module):
    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self._low = low
        self._high = high

    def forward(self, values: Tensor) -> Tensor:
        return values.clamp(self._low, self._high)


def _clamping(network: DeployedNetwork) -> nn.Module:
    """A copy with the same answers whose ReLU6 are clamps, which become the same Clip.

    torch 2.13 derives the shapes of a hardtanh, which ReLU6 is, from Python code for every open dimension: 2.5 of the 7 s of CPU
    that an export of lite0 took.
    """
    copied = copy.deepcopy(network)
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Hardtanh):
                setattr(module, name, _Clamp(child.min_val, child.max_val))
    return copied


def predict_torch(network: DeployedNetwork, images: Pixels) -> Prediction:
    """The network's float32 outputs for prepared images."""
    with torch.inference_mode():
        return Prediction(*(output.numpy() for output in network(torch.from_numpy(images))))


def check_parity(expected: Prediction, given: Prediction) -> float:
    """The largest absolute difference over all outputs; raises BundleError naming the output beyond TOLERANCE."""
    differences = {name: float(np.abs(getattr(expected, name) - getattr(given, name)).max()) for name in OUTPUTS}
    worst = max(differences, key=lambda name: differences[name])
    if not all(difference <= TOLERANCE for difference in differences.values()):
        raise BundleError(
            f"export refused: torch and onnxruntime differ in {worst} by {differences[worst]:.2g}, tolerated {TOLERANCE:g}"
        )
    return differences[worst]
