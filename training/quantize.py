"""The int8 twin of a float32 graph, and whether it may take its place."""

import logging
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.qdq_loss_debug import (
    collect_activations,
    create_activation_matching,
    modify_model_output_intermediate_tensors,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from data.bundle import Floats, Prediction, Variant
from data.decide import Thresholds, decide
from data.image import Pixels, Preprocessing, prepare
from training.dataset import spread

log = logging.getLogger(__name__)

Precision = Literal["float32", "int8"]

_TIMED_RUNS = 60
# Shares of the quantised convolutions that are kept in float32, attempt after attempt.
_KEPT = (0.0, 0.1, 0.25, 0.5)
_CORRECTED_ON = 32
_RANKED_ON = 4
_ACTIVATIONS = ("Clip", "Relu")


@dataclass(frozen=True)
class Measured:
    """One precision: its size, its median time for one image in ms, its AUROC on val, how many layers stayed float32."""

    bytes: int
    milliseconds: float
    auroc: float
    layers_in_float32: int


class _Images(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    def __init__(self, images: Pixels) -> None:
        self._batches: Iterator[dict[str, Pixels]] = ({"images": image[None]} for image in images)

    def get_next(self) -> dict[str, Pixels] | None:
        return next(self._batches, None)


def quantize_within(
    float32: Path, int8: Path, images: Pixels, loss_of: Callable[[Path], float], most_loss: float
) -> list[str]:
    """Write `int8`, a static QDQ copy of `float32`: weights per channel, activations calibrated on training `images`.

    `images` are prepared frames, uint8 [n, H, W, 3]. Convolutions on the way to the pooled maps become int8, with what
    lies between them; weights are rounded so that accuracy survives, see `_round`. Normalisation, pooling, heads, heat and
    calibration stay float32, where eight bits would cost accuracy and save no time; so does the first convolution, whose
    three input channels int8 kernels are slow on (lite0 at 300 px, one thread: 0.52 x the time of float32 with it in int8,
    0.49 x without).

    The most damaged layers are left in float32 until `loss_of(int8)` is at most `most_loss`: first none, then the worst 10,
    25 and 50 % of the convolutions. Returns the names of those kept at the last attempt, whose file stays even when it loses
    more: whether it is used is for `choose_precision` to say. Every attempt calls `loss_of` once with the file written;
    ranking the layers costs a few forward passes and only happens after a miss.
    """
    kept: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        prepared = Path(directory) / "prepared.onnx"
        _prepare(float32, prepared, images)
        ranked: list[str] = []
        for share in _KEPT:
            kept = ranked[: math.ceil(share * len(ranked))]
            _write(float32, prepared, int8, images, kept)
            loss = loss_of(int8)
            log.info("int8 with %d layers in float32 loses %.4f (%g allowed)", len(kept), loss, most_loss)
            if loss <= most_loss:
                break
            ranked = ranked or _worst_first(prepared, int8, images[:_RANKED_ON])
    return kept


def median_milliseconds(sessions: dict[str, onnxruntime.InferenceSession], image: Pixels) -> dict[str, float]:
    """Median time of one `image` uint8 [1, H, W, 3] in each session, stretched where a session takes another size.

    They take turns, so a busy machine slows all alike.
    """
    times: dict[str, list[float]] = {name: [] for name in sessions}
    stretched = {name: _stretch(image, session) for name, session in sessions.items()}
    for _ in range(_TIMED_RUNS):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(None, {"images": stretched[name]})
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def _stretch(image: Pixels, session: onnxruntime.InferenceSession) -> Pixels:
    _, height, width, _ = session.get_inputs()[0].shape
    return prepare([image[0]], Preprocessing(width=width, height=height))


def choose_precision(float32: Measured, int8: Measured, most_loss: float) -> tuple[Precision, str]:
    """The precision to serve and why: int8 when it loses at most `most_loss` AUROC and is faster."""
    loss = float32.auroc - int8.auroc
    ratio = int8.milliseconds / float32.milliseconds
    kept = f" with {int8.layers_in_float32} layers in float32" if int8.layers_in_float32 else ""
    if loss > most_loss:
        why = f"int8{kept} loses {loss:.4f} AUROC on the held-out images, more than the {most_loss:g} allowed"
        return "float32", why
    if ratio >= 1:
        return "float32", f"int8{kept} is no faster here: {ratio:.2f} x the time of float32"
    return "int8", (
        f"int8{kept} takes {ratio:.2f} x the time of float32; its AUROC differs by {-loss:+.4f} (-{most_loss:g} allowed)"
    )


def describe(measured: dict[Precision, Measured], chosen: Precision, why: str, agreement: float) -> dict[str, Variant]:
    """Both precisions for the manifest; `agreement` is int8's with float32, as `verdict_agreement` measures it."""
    return {
        name: Variant(
            bytes=one.bytes,
            milliseconds=one.milliseconds,
            auroc=one.auroc,
            auroc_loss=measured["float32"].auroc - one.auroc,
            verdict_agreement=1.0 if name == "float32" else agreement,
            layers_in_float32=one.layers_in_float32,
            chosen=name == chosen,
            why=why,
        )
        for name, one in measured.items()
    }


def verdict_agreement(float32: Prediction, int8: Prediction, thresholds: Thresholds) -> float:
    """The share of images, 0..1, that get the same verdict from both precisions at the same `thresholds`."""
    verdicts = [[decide(float(p), thresholds) for p in one.defect_probability] for one in (float32, int8)]
    return float(np.mean([a == b for a, b in zip(*verdicts, strict=True)]))


class _Layers:
    """The convolutions to quantise, in order, and where their inputs and outputs are."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._producer = {output: node for node in graph.node for output in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        # Heads read the embedding, and the place heads read the maps: neither is on the way to it.
        self.on_the_way = self._before(list(self._producer["embedding"].input))
        convolutions = [node for node in graph.node if node.op_type == "Conv" and node.name in self.on_the_way]
        self.first, self.others = convolutions[:1], convolutions[1:]

    def _before(self, tensors: list[str]) -> set[str]:
        names: set[str] = set()
        todo = list(tensors)
        while todo:
            node = self._producer.get(todo.pop())
            if node is not None and node.name not in names:
                names.add(node.name)
                todo.extend(node.input)
        return names

    def activation_of(self, convolution: onnx.NodeProto) -> onnx.NodeProto | None:
        """The Clip or Relu that alone reads the output: onnxruntime fuses it, and quantises only what comes out of it."""
        readers = self._readers.get(convolution.output[0], [])
        return readers[0] if len(readers) == 1 and readers[0].op_type in _ACTIVATIONS else None

    def result_of(self, convolution: onnx.NodeProto) -> str:
        """The tensor after the convolution and its activation."""
        return str((self.activation_of(convolution) or convolution).output[0])

    def outside(self, graph: onnx.GraphProto, kept: list[str]) -> list[str]:
        """Names of all nodes that stay float32 when these convolutions do; an activation goes with its convolution."""
        names = {node.name for node in graph.node} - self.on_the_way
        for node in [*self.first, *(node for node in self.others if node.name in kept)]:
            activation = self.activation_of(node)
            names.update({node.name} if activation is None else {node.name, activation.name})
        return sorted(names)


def _prepare(float32: Path, prepared: Path, images: Pixels) -> None:
    quant_pre_process(str(float32), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(prepared)
    _round(model, _Layers(model.graph).others, images)
    onnx.save(model, prepared)


def _round(model: onnx.ModelProto, convolutions: list[onnx.NodeProto], images: Pixels) -> None:
    """Set weights to what eight bits per output channel can hold, and take the mean error that this makes out of the biases.

    Each kernel keeps the sum of its weights, which nearest rounding does not (SQuant, Guo et al., arXiv 2202.07471), and
    each bias loses the rounding error's answer to the layer's mean input (Nagel et al., arXiv 1906.04721). Inputs after
    a ReLU are far from zero on average, so that rounding errors would not cancel out. Measured on lite0 with a
    linear head on ELPV, 624 held-out images, AUROC lost at 224 and 300 px: 0.0090 and 0.0155 by nearest rounding, -0.0014
    and 0.0011 this way, with the embedding centred too.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    means = _mean_inputs(model, convolutions, images[spread(len(images), _CORRECTED_ON)])
    for node, mean in zip(convolutions, means, strict=True):
        given = numpy_helper.to_array(weights[node.input[1]])
        rounded = round_weights(given)
        out, per_group = given.shape[:2]
        groups = len(mean) // per_group
        error = (rounded - given).sum(axis=(2, 3)).reshape(groups, out // groups, per_group)
        shift = np.einsum("goi,gi->go", error, mean.reshape(groups, per_group)).ravel()
        weights[node.input[1]].CopyFrom(numpy_helper.from_array(rounded, node.input[1]))
        if len(node.input) > 2:
            bias = (numpy_helper.to_array(weights[node.input[2]]) - shift).astype(np.float32)
            weights[node.input[2]].CopyFrom(numpy_helper.from_array(bias, node.input[2]))
        else:
            node.input.append(f"{node.name}_bias")
            model.graph.initializer.append(numpy_helper.from_array(-shift.astype(np.float32), node.input[2]))


def round_weights(weights: Floats) -> Floats:
    """Weights [out, in, h, w] at the nearest multiples of max / 127 of their output channel, sums of kernels kept.

    Where nearest rounding moves the sum of a kernel larger than 1 x 1 by more than half a step, the weights that lay
    nearest to a half are rounded the other way.
    """
    step = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) / 127
    exact = weights / np.where(step > 0, step, 1)
    nearest = np.rint(exact)
    if weights.shape[2] * weights.shape[3] > 1:
        error = (exact - nearest).reshape(*weights.shape[:2], -1)
        total = error.sum(axis=2, keepdims=True)
        rank = np.argsort(np.argsort(-error * np.sign(total), axis=2), axis=2)
        nearest += np.where(rank < np.rint(np.abs(total)), np.sign(total), 0).reshape(weights.shape)
    rounded: Floats = (nearest * step).astype(np.float32)
    return rounded


def _mean_inputs(model: onnx.ModelProto, convolutions: list[onnx.NodeProto], images: Pixels) -> list[Floats]:
    """For each convolution the mean of every input channel over all places of all images, [in]."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    names = [f"mean_input_{index}" for index in range(len(convolutions))]
    for name, node in zip(names, convolutions, strict=True):
        probed.graph.node.append(onnx.helper.make_node("GlobalAveragePool", [node.input[0]], [name]))
        probed.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = [session.run(names, {"images": image[None]}) for image in images] if names else []
    return [np.mean([one.ravel() for one in of_layer], axis=0) for of_layer in zip(*answers, strict=True)]


def _write(float32: Path, prepared: Path, int8: Path, images: Pixels, kept: list[str]) -> None:
    graph = onnx.load(prepared).graph
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
            op_types_to_quantize=["Conv", "Add", *_ACTIVATIONS],
            nodes_to_exclude=_Layers(graph).outside(graph, kept),
        )
    _centre(float32, int8, images[spread(len(images), _CORRECTED_ON)])


def _centre(float32: Path, int8: Path, images: Pixels) -> None:
    """Move int8's embedding so that its mean over `images` is float32's: rounding raises maxima, and the head adds them up."""
    shift = _mean_embedding(int8, images) - _mean_embedding(float32, images)
    model = onnx.load(int8)
    nodes = model.graph.node
    index, pooled = next((index, node) for index, node in enumerate(nodes) if "embedding" in node.output)
    pooled.output[0] = "embedding_before_shift"
    model.graph.initializer.append(numpy_helper.from_array(shift, "embedding_shift"))
    nodes.insert(index + 1, onnx.helper.make_node("Sub", [pooled.output[0], "embedding_shift"], ["embedding"]))
    onnx.save(model, int8)


def _mean_embedding(file: Path, images: Pixels) -> Floats:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    mean: Floats = np.mean([session.run(["embedding"], {"images": image[None]})[0][0] for image in images], axis=0)
    return mean


def _worst_first(prepared: Path, int8: Path, images: Pixels) -> list[str]:
    """Names of the quantised convolutions, those first that spoil most of what they are given or make.

    Spoilt is the share of a tensor's variance that eight bits lose, as the mean over its channels: one loud channel must
    not hide quiet ones. A layer answers for what its output has lost beyond its input, and for the input's own
    quantisation as much as the layer that made it: only both together can leave that tensor in float32.
    """
    layers = _Layers(onnx.load(prepared).graph)
    weights = {tensor.name: tensor for tensor in onnx.load(prepared).graph.initializer}
    with tempfile.TemporaryDirectory() as directory:
        activations = []
        for name, model in (("int8", int8), ("float32", prepared)):
            augmented = Path(directory) / f"{name}.onnx"
            modify_model_output_intermediate_tensors(model, augmented)
            activations.append(collect_activations(str(augmented), _Images(images)))
    matched = create_activation_matching(*activations)
    spoilt: dict[str, float] = {}
    growth: dict[str, float] = {}
    for node in layers.others:
        result = layers.result_of(node)
        if result in matched:
            channels = weights[node.input[1]].dims[0]
            spoilt[result] = _lost_variance(matched[result]["float"], matched[result]["post_qdq"], channels)
            growth[result] = spoilt[result] - spoilt.get(node.input[0], 0.0)
    badness = {
        node.name: max(growth.get(layers.result_of(node), 0.0), growth.get(node.input[0], 0.0))
        for node in layers.others
    }
    return sorted(badness, key=lambda name: -badness[name])


def _lost_variance(float32: list[Floats], int8: list[Floats], channels: int) -> float:
    exact, given = (np.concatenate([one.reshape(channels, -1) for one in side], axis=1) for side in (float32, int8))
    variance = exact.var(axis=1)
    lost = np.square(exact - given).mean(axis=1) / np.where(variance > 0, variance, 1)
    return float(np.minimum(lost, 1).mean())
