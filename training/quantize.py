"""The int8 twin of a float32 graph, and whether it may take its place."""

import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from data.bundle import Variant
from data.image import Pixels

_TIMED_RUNS = 60


@dataclass(frozen=True)
class Measured:
    """One precision of the model: its size, its median time for one image in ms, its AUROC on val."""

    bytes: int
    milliseconds: float
    auroc: float


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: Pixels) -> None:
        self._batches: Iterator[dict[str, Pixels]] = ({"images": image[None]} for image in images)

    def get_next(self) -> dict[str, Pixels] | None:
        return next(self._batches, None)


def quantize(float32: Path, int8: Path, images: Pixels) -> None:
    """Write `int8`, a static QDQ copy of `float32`: weights per channel, activations calibrated on training `images`.

    The backbone's convolutions and what lies between them become int8. Normalisation, head, heat and calibration stay
    float32, where eight bits would cost accuracy and save no time; so does the first convolution, whose three input
    channels int8 kernels are slow on (measured on lite0: 0.58 x the time of float32 with it in int8, 0.54 x without).
    """
    with tempfile.TemporaryDirectory() as directory:
        prepared = Path(directory) / "prepared.onnx"
        quant_pre_process(str(float32), str(prepared), skip_symbolic_shape=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="onnxruntime")
            quantize_static(
                str(prepared),
                str(int8),
                _Images(images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv", "Add", "Clip", "Relu"],
                nodes_to_exclude=_outside(onnx.load(prepared)),
            )


def median_milliseconds(sessions: dict[str, onnxruntime.InferenceSession], image: Pixels) -> dict[str, float]:
    """Median time of one `image` uint8 [1, H, W, 3] in each session; they take turns, so a busy machine slows all alike."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(_TIMED_RUNS):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(None, {"images": image})
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def choose_precision(float32: Measured, int8: Measured, most_loss: float) -> dict[str, Variant]:
    """Both variants with the chosen one marked: int8 when it loses at most `most_loss` AUROC and is faster."""
    loss = float32.auroc - int8.auroc
    ratio = int8.milliseconds / float32.milliseconds
    if loss > most_loss:
        why = f"int8 loses {loss:.4f} AUROC on the held-out images, more than the {most_loss:g} allowed"
    elif ratio >= 1:
        why = f"int8 is no faster here: {ratio:.2f} x the time of float32"
    else:
        why = (
            f"int8 takes {ratio:.2f} x the time of float32; its AUROC differs by {-loss:+.4f} (-{most_loss:g} allowed)"
        )
    chosen = loss <= most_loss and ratio < 1
    return {
        name: Variant(
            bytes=one.bytes, milliseconds=one.milliseconds, auroc=one.auroc, chosen=(name == "int8") == chosen, why=why
        )
        for name, one in (("float32", float32), ("int8", int8))
    }


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` indices evenly spread over `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _outside(model: onnx.ModelProto) -> list[str]:
    """Names of the first convolution, of the nodes that use the final feature map, and of all that follow those."""
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    pooled = next(node for node in model.graph.node if node.op_type in ("ReduceMean", "GlobalAveragePool"))
    reached = {pooled.input[0]}
    names = [first.name]
    for node in model.graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
            names.append(node.name)
    return names
