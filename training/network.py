"""The network: a timm backbone, one linear head, and the same head at every place of the image for the heatmap."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from data.errors import InputError


class Outputs(NamedTuple):
    """What the deployed graph answers, in the order of data.bundle.OUTPUTS."""

    class_probability: Tensor
    defect_probability: Tensor
    heatmap: Tensor
    embedding: Tensor


class Network(nn.Module):
    """Prepared images to class logits, with the first `ok` of `classes` classes being the OK ones."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, classes: int, ok: int, dropout: float) -> None:
        super().__init__()
        if not 0 < ok < classes:
            raise ValueError(f"expected OK and defect classes, got {ok} OK of {classes}")
        config: dict[str, Any] = backbone.pretrained_cfg  # type: ignore[assignment]
        self.register_buffer("mean", _scaled(config["mean"]), persistent=False)
        self.register_buffer("std", _scaled(config["std"]), persistent=False)
        self.backbone = backbone
        self.head = nn.Linear(int(backbone.num_features), classes)  # type: ignore[arg-type]
        self.dropout = dropout
        self.ok = ok
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                _keep_float32(module)

    def features(self, images: Tensor) -> Tensor:
        """uint8 [n, H, W, 3] RGB -> the backbone's final feature map [n, d, h, w]."""
        pixels = images.permute(0, 3, 1, 2).float()
        maps: Tensor = self.backbone((pixels - self.mean) / self.std)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [n, H, W, 3] RGB -> class logits [n, C]."""
        embedding = self.features(images).mean(dim=(2, 3))
        logits: Tensor = self.head(functional.dropout(embedding, self.dropout, self.training))
        return logits

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

    def __init__(self, network: Network, slope: float, intercept: float) -> None:
        super().__init__()
        self.network = network
        self.slope = slope
        self.intercept = intercept

    def forward(self, images: Tensor) -> Outputs:
        """uint8 [n, H, W, 3] RGB -> Outputs, float32, shapes as in DESIGN section 4.

        The heatmap is the head applied to each place of the final feature map (Zhou et al., CAM, arXiv 1512.04150), so
        an image's log-odds with two classes are the mean of its places' log-odds.
        """
        maps = self.network.features(images)
        embedding = maps.mean(dim=(2, 3))
        head = self.network.head
        class_probability, defect_probability = self._probabilities(head(embedding))
        local = functional.conv2d(maps, head.weight[:, :, None, None], head.bias)
        heatmap = self._defect_probability(local)
        return Outputs(class_probability, defect_probability, heatmap, embedding)

    def _defect_probability(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(self.slope * defect_log_odds(logits, self.network.ok) + self.intercept)

    def _probabilities(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        defect = self._defect_probability(logits)
        ok = self.network.ok
        within_ok = torch.softmax(logits[:, :ok], dim=1) * (1 - defect)[:, None]
        within_defect = torch.softmax(logits[:, ok:], dim=1) * defect[:, None]
        return torch.cat([within_ok, within_defect], dim=1), defect


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
            return super().forward(images)  # type: ignore[misc,no-any-return]
        with torch.autocast("cpu", enabled=False):
            return super().forward(images.float()).to(images.dtype)  # type: ignore[misc,no-any-return]


def _keep_float32(convolution: nn.Conv2d) -> None:
    kind = type(convolution)
    convolution.__class__ = type(f"Float32{kind.__name__}", (_Float32Convolution, kind), {})
