"""The network: a timm backbone with a linear head on the whole image and one at every place of it."""

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from data.bundle import Calibration
from data.errors import InputError
from training.config import ModelConfig
from training.second_opinion import SecondOpinion
from training.weights import load_backbone, stage_at

_HEAT_STRIDE = 16
# Between the mean over all places (0) and the maximum (infinity).
_SHARPNESS = 4.0


class Outputs(NamedTuple):
    """What the deployed graph answers, in the order of data.bundle.OUTPUTS."""

    class_probability: Tensor
    defect_probability: Tensor
    heatmap: Tensor
    embedding: Tensor


class Answers(NamedTuple):
    """What the network says of n images while it learns."""

    logits: Tensor
    """[n, C] of the whole image, uncalibrated"""
    places: Tensor
    """[n, D, h, w] log-odds of each defect class against OK at each place, at stride 16 or finer"""
    strongest: Tensor
    """[n, D] a soft maximum of `places` over the image"""


class Network(nn.Module):
    """Prepared images to class logits, with the first `ok` of `classes` classes being the OK ones.

    Two heads share the backbone's maps at strides 16 and 32, since many defects are a few pixels wide. The image head is linear
    on mean and maximum of every map. The place head is linear at every place of each, and its soft maximum (log-mean-exp,
    as in Pinheiro and Collobert, arXiv 1411.6228) is added to the image's defect logits: one strong place is enough.
    A backbone that sees the image shrunk to `side` gives its finer maps too, until the heat is no coarser than
    `heat_stride` pixels of the image that it sees.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        ok: int,
        dropout: float,
        side: int | None = None,
        heat_stride: int = _HEAT_STRIDE,
        second: SecondOpinion | None = None,
    ) -> None:
        super().__init__()
        if not 0 < ok < classes:
            raise ValueError(f"expected OK and defect classes, got {ok} OK of {classes}")
        config: dict[str, Any] = backbone.pretrained_cfg  # type: ignore[assignment] # timm sets it, torch does not know
        self.register_buffer("mean", _scaled(config["mean"]), persistent=False)
        self.register_buffer("std", _scaled(config["std"]), persistent=False)
        self.backbone = backbone
        self.side = side
        self.second = second
        stages: list[dict[str, Any]] = list(backbone.feature_info)  # type: ignore[arg-type] # as above
        fine = stage_at(backbone, _HEAT_STRIDE)
        finer = range(stage_at(backbone, heat_stride), fine)
        self._stages = list(dict.fromkeys([fine, len(stages) - 1, *finer]))
        channels = [int(stages[index]["num_chs"]) for index in self._stages]
        self.head = nn.Linear(2 * sum(channels), classes)
        self.place_heads = nn.ModuleList(
            nn.Conv2d(number, classes - ok, 1, bias=index == 0) for index, number in enumerate(channels)
        )
        # Silent at first: the image head is solved on frozen features, and the answer starts from there. Any defect is as
        # likely at a place as none, however many classes there are: else the heat of many begins near 1 everywhere.
        for parameter in self.place_heads.parameters():
            nn.init.zeros_(parameter)
        nn.init.constant_(cast(Tensor, self.place_heads[0].bias), -math.log(classes - ok))
        self.dropout = dropout
        self.ok = ok
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                _keep_float32(module)

    def maps(self, images: Tensor) -> list[Tensor]:
        """uint8 [n, H, W, 3] RGB -> the learning backbone's maps at stride 16, of its last stage and finer, [n, d, h, w]."""
        pixels = self._normalised(images)
        if self.side is not None:
            size = (self.side, self.side)
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)
        indices = sorted(self._stages)
        maps: list[Tensor] = self.backbone.forward_intermediates(  # type: ignore[operator] # timm's
            pixels, indices=indices, intermediates_only=True
        )
        return [maps[indices.index(stage)] for stage in self._stages]

    def second_embedding(self, images: Tensor) -> Tensor:
        """uint8 [n, H, W, 3] RGB -> what the second opinion decides on, [n, e]; its backbone sees the images at full size."""
        assert self.second is not None
        return self.second.embed(self._normalised(images))

    def _normalised(self, images: Tensor) -> Tensor:
        return (images.permute(0, 3, 1, 2).float() - self.mean) / self.std

    @staticmethod
    def embed(maps: Sequence[Tensor]) -> Tensor:
        """Maps [n, d, h, w] -> float [n, sum of 2 d]: the mean and the maximum of every channel, map by map."""
        return torch.cat([pooled for one in maps for pooled in (one.mean((2, 3)), one.amax((2, 3)))], dim=1)

    def locate(self, maps: Sequence[Tensor]) -> Tensor:
        """All maps -> `Answers.places`, as fine as the finest."""
        size = max((one.shape[2:] for one in maps), key=lambda shape: shape[0])
        answers = [head(one) for head, one in zip(self.place_heads, maps, strict=True)]
        return torch.stack(
            [
                one if one.shape[2:] == size else functional.interpolate(one, size=size, mode="bilinear")
                for one in answers
            ]
        ).sum(dim=0)

    def judge(self, embedding: Tensor, places: Tensor) -> Answers:
        """Embedding and places of the same images -> Answers."""
        flat = _SHARPNESS * places.flatten(2)
        strongest = (torch.logsumexp(flat, dim=2) - math.log(flat.shape[2])) / _SHARPNESS
        logits = self.head(functional.dropout(embedding, self.dropout, self.training))
        logits = torch.cat([logits[:, : self.ok], logits[:, self.ok :] + strongest], dim=1)
        return Answers(logits, places, strongest)

    def forward(self, images: Tensor) -> Answers:
        """uint8 [n, H, W, 3] RGB -> Answers."""
        maps = self.maps(images)
        return self.judge(self.embed(maps), self.locate(maps))

    def combine(self, logits: Tensor, decision: Tensor) -> Tensor:
        """Class logits [n, C] whose log-odds of a defect are the mean of their own and of the second opinion's [n]."""
        assert self.second is not None
        shift = (self.second.scale * decision - defect_log_odds(logits, self.ok)) / 2
        return torch.cat([logits[:, : self.ok], logits[:, self.ok :] + shift[:, None]], dim=1)

    def freeze(self, names: Sequence[str]) -> None:
        """Keep the pretrained weights of these backbone modules; raises InputError for a name that it does not have."""
        modules = dict(self.backbone.named_modules())
        for name in names:
            if name not in modules or not name:
                known = ", ".join(name for name in modules if name and name.count(".") <= 1)
                raise InputError(f"fit.frozen: the backbone has no module {name!r}; it has {known}")
            modules[name].requires_grad_(False)

    def train(self, mode: bool = True) -> "Network":
        """As in torch, but batch normalisation keeps the statistics of pretraining: the head was fitted on them."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class DeployedNetwork(nn.Module):
    """The network as it is exported: calibrated probabilities, heat and embedding."""

    given: Tensor
    calibrated: Tensor

    def __init__(self, network: Network, calibration: Calibration) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("given", torch.tensor(calibration.given), persistent=False)
        self.register_buffer("calibrated", torch.tensor(calibration.calibrated), persistent=False)

    def forward(self, images: Tensor) -> Outputs:
        """uint8 [n, H, W, 3] RGB -> Outputs, float32 [n, C], [n], [n, h, w] and [n, d]."""
        maps = self.network.maps(images)
        embedding = own = self.network.embed(maps)
        second = self.network.second
        if second is not None:
            # Both judge what the graph puts out as its embedding, since that is what int8 corrects (quantize._centre).
            embedding = torch.cat([own, self.network.second_embedding(images)], dim=1)
            own, other = embedding.tensor_split([own.shape[1]], dim=1)
        logits, places, _ = self.network.judge(own, self.network.locate(maps))
        if second is not None:
            logits = self.network.combine(logits, second(other))
        class_probability, defect_probability = self._probabilities(logits)
        heatmap = torch.sigmoid(torch.logsumexp(places, dim=1))
        return Outputs(class_probability, defect_probability, heatmap, embedding)

    def _defect_log_odds(self, logits: Tensor) -> Tensor:
        """Calibrated: the piecewise-linear map through the calibration's knots, straight on beyond the outermost."""
        given = defect_log_odds(logits, self.network.ok)[:, None]
        left, right = self.given[:-1], self.given[1:]
        rise = (self.calibrated[1:] - self.calibrated[:-1]) / (right - left)
        within = torch.minimum(torch.maximum(given, left), right) - left
        below, above = (given[:, 0] - self.given[0]).clamp(max=0), (given[:, 0] - self.given[-1]).clamp(min=0)
        calibrated: Tensor = self.calibrated[0] + (within * rise).sum(dim=1) + below * rise[0] + above * rise[-1]
        return calibrated

    def _probabilities(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        defect = torch.sigmoid(self._defect_log_odds(logits))
        ok = self.network.ok
        within_ok = torch.softmax(logits[:, :ok], dim=1) * (1 - defect)[:, None]
        within_defect = torch.softmax(logits[:, ok:], dim=1) * defect[:, None]
        return torch.cat([within_ok, within_defect], dim=1), defect


def build_network(
    model: ModelConfig, frozen: Sequence[str], classes: Sequence[str], ok_classes: Collection[str]
) -> Network:
    """A network with pretrained weights for these classes, the OK ones first; `frozen` backbone modules will not learn.

    Raises InputError for an unknown backbone, weights that cannot be had, modules that the backbone does not have, and
    an image size that it does not take.
    """
    ok = sum(name in ok_classes for name in classes)
    backbone = load_backbone(model.backbone, model.weights)
    _check_size(backbone, model)
    second = SecondOpinion(load_backbone(model.backbone, model.weights)) if model.second_opinion else None
    largest = max(model.image.width, model.image.height)
    heat_stride = _HEAT_STRIDE * min(model.tuned_side or largest, largest) // largest
    network = Network(backbone, len(classes), ok, model.dropout, model.tuned_side, heat_stride, second)
    network.freeze(frozen)
    return network


def _check_size(backbone: nn.Module, model: ModelConfig) -> None:
    """A vision transformer has a place for each patch of one size of image, and takes no other."""
    config: dict[str, Any] = backbone.pretrained_cfg  # type: ignore[assignment] # timm sets it, torch does not know
    if not config.get("fixed_input_size"):
        return
    _, height, width = config["input_size"]
    whole = (model.image.height, model.image.width)
    seen = {
        (model.tuned_side, model.tuned_side) if model.tuned_side else whole,
        *([whole] if model.second_opinion else []),
    }
    if seen != {(height, width)}:
        raise InputError(
            f"model.backbone: {model.backbone} takes images of {width} x {height} alone; set model.image to that size "
            "and leave model.tuned_side out"
        )


def _scaled(channels: Sequence[float]) -> Tensor:
    """Per-channel constants of 0..1 images for 0..255 pixels, [1, 3, 1, 1]; a single [1, 1, 1, 1] when all are equal.

    onnxruntime 1.32 subtracts and divides by one number ten times faster: measured on lite0 in int8 at 192 px, 2.5 of
    the 9.5 ms that an image took.
    """
    values = channels[:1] if len(set(channels)) == 1 else channels
    return 255 * torch.tensor(values).view(1, -1, 1, 1)


def defect_log_odds(logits: Tensor, ok: int) -> Tensor:
    """Class logits [n, C, ...], the first `ok` classes being OK -> log P(defect) / P(OK), [n, ...]."""
    return torch.logsumexp(logits[:, ok:], dim=1) - torch.logsumexp(logits[:, :ok], dim=1)


class _Float32Convolution:
    """Mixed into a depthwise convolution: where the CPU computes a gradient through it, it stays out of autocast.

    oneDNN has no fast bfloat16 gradient for depthwise kernels other than 3 x 3 at stride 1: measured on torch 2.13
    (2 cores with AMX), lite0's backward pass at 192 px takes 53 ms an image with them in bfloat16 and 24 ms without.
    """

    weight: Tensor

    def forward(self, images: Tensor) -> Tensor:
        learns = torch.is_grad_enabled() and (images.requires_grad or self.weight.requires_grad)
        if images.device.type != "cpu" or not learns or not torch.is_autocast_enabled("cpu"):
            return super().forward(images)  # type: ignore[misc,no-any-return] # a mixin
        with torch.autocast("cpu", enabled=False):
            return super().forward(images.float()).to(images.dtype)  # type: ignore[misc,no-any-return] # a mixin


def _keep_float32(convolution: nn.Conv2d) -> None:
    kind = type(convolution)
    convolution.__class__ = type(f"Float32{kind.__name__}", (_Float32Convolution, kind), {})
