"""Transfer learning: a linear head on frozen features, then fine-tuning, with a checkpoint after every epoch."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from data.errors import InputError
from data.image import Pixels
from training.augment import Policy
from training.config import FitConfig
from training.dataset import Examples
from training.network import Network, defect_log_odds
from training.progress import bar

log = logging.getLogger(__name__)

_HEAD_STEPS = 100
_INFERENCE_BATCH = 16


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; epoch 0 is the head on frozen features. Losses are soft-label cross-entropies in nats."""

    number: int
    train_loss: float
    val_loss: float
    val_log_odds: NDArray[np.float32]
    """[n], uncalibrated, of the averaged weights"""


@dataclass(frozen=True)
class Device:
    """Where to compute and in which precision; `autocast` dtype float32 means no autocast."""

    name: str
    autocast: torch.dtype

    @classmethod
    def choose(cls, precision: str, name: str | None = None) -> "Device":
        """The GPU where there is one, unless named. `auto` takes bfloat16 where the hardware multiplies it fast."""
        name = name or ("cuda" if torch.cuda.is_available() else "cpu")
        if precision == "auto":
            fast = torch.cuda.is_bf16_supported() if name == "cuda" else torch.ops.mkldnn._is_mkldnn_bf16_supported()
            precision = "bfloat16" if fast else "float32"
        return cls(name, torch.bfloat16 if precision == "bfloat16" else torch.float32)

    def context(self) -> torch.autocast:
        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.autocast is torch.bfloat16)


def fit(
    network: Network,
    train: Examples,
    val: Examples,
    classes: list[str],
    policy: Policy,
    config: FitConfig,
    seed: int,
    checkpoint: Path,
    on_epoch: Callable[[Epoch], None],
) -> Network:
    """Train `network` in place and return its averaged weights in a network of their own, on the CPU.

    After every epoch `checkpoint` is replaced in one step; when it is there already, training goes on from it and comes
    to the same weights as an uninterrupted run. Raises InputError when the loss is no longer a number.
    """
    device = Device.choose(config.precision)
    network.to(device.name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    targets = train.targets(classes, network.ok)
    val_targets = torch.from_numpy(val.targets(classes, network.ok))
    weights = class_weights(targets, config.class_balance)

    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))  # type: ignore[no-untyped-call]
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = len(train.rows) // min(config.batch_size, len(train.rows))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=max(1, steps * config.epochs), pct_start=0.2
    )
    result = cast(Network, averaged.module)
    state = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}

    def close(number: int, loss: float) -> None:
        if not np.isfinite(loss):
            raise InputError(
                f"the training loss became {loss} in epoch {number}; lower fit.learning_rate ({config.learning_rate:g}), "
                "or set fit.precision to float32"
            )
        logits = predict_logits(result, val.images, device)
        val_loss = functional.cross_entropy(logits, val_targets).item()
        _save(checkpoint, number, state)
        on_epoch(Epoch(number, loss, val_loss, defect_log_odds(logits, network.ok).numpy()))

    done = _resume(checkpoint, state)
    if done is None:
        torch.manual_seed(seed)
        policy.seed(seed)
        loss = _fit_head(network, train.images, targets, weights, policy, config, device)
        result.load_state_dict(network.state_dict())
        done = 0
        close(done, loss)
    for number in range(done + 1, config.epochs + 1):
        torch.manual_seed(seed + number)
        policy.seed(seed + number)
        order = np.random.default_rng([seed, number]).permutation(len(train.rows))[: steps * config.batch_size]
        losses = []
        network.train()
        batches = _batches(train.images, order, config.batch_size, policy)
        for index, images in bar(batches, steps, f"epoch {number} of {config.epochs}"):
            with device.context():
                logits = network(torch.from_numpy(images).to(device.name))
            loss_tensor = _loss(logits.float(), torch.from_numpy(targets[index]).to(device.name), weights)
            optimizer.zero_grad()
            loss_tensor.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            averaged.update_parameters(network)
            losses.append(loss_tensor.item())
        close(number, float(np.mean(losses)))
    return result.to("cpu").eval()


def class_weights(targets: NDArray[np.float32], balance: float) -> Tensor:
    """Loss weight of each class, float32 [C]: (n / (C * n_c)) ** balance for soft labels `targets` [n, C]."""
    counts = np.maximum(targets.sum(axis=0), 1.0)
    weights: NDArray[np.float32] = (counts.sum() / (len(counts) * counts)) ** balance
    return torch.from_numpy(weights.astype(np.float32))


def predict_logits(network: Network, images: Pixels, device: Device) -> Tensor:
    """Class logits float32 [n, C] of prepared images, on the CPU."""
    features = _pooled(network, images, device)
    with torch.inference_mode():
        logits: Tensor = functional.linear(features, network.head.weight.cpu(), network.head.bias.cpu())
    return logits


def _pooled(network: Network, images: Pixels, device: Device) -> Tensor:
    network.eval()
    pooled = []
    with torch.inference_mode(), device.context():
        for start in range(0, len(images), _INFERENCE_BATCH):
            batch = torch.from_numpy(images[start : start + _INFERENCE_BATCH]).to(device.name)
            pooled.append(network.features(batch).float().mean(dim=(2, 3)).cpu())
    return torch.cat(pooled)


def _fit_head(
    network: Network,
    images: Pixels,
    targets: NDArray[np.float32],
    weights: Tensor,
    policy: Policy,
    config: FitConfig,
    device: Device,
) -> float:
    """Solve the head on frozen features of augmented views to convergence (L-BFGS); returns its loss."""
    views = [images, *(policy(images) for _ in range(1, config.head_views))]
    features = torch.cat([_pooled(network, view, device) for view in bar(views, len(views), "fit head")]).clone()
    goal = torch.from_numpy(np.concatenate([targets] * len(views)))
    mean, std = features.mean(dim=0), features.std(dim=0) + 1e-6
    features = (features - mean) / std
    weight = torch.zeros(network.head.weight.shape, requires_grad=True)
    bias = torch.zeros(network.head.bias.shape, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=_HEAD_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = _loss(functional.linear(features, weight, bias), goal, weights)
        total: Tensor = loss + config.head_l2 * weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    solver.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        loss = _loss(functional.linear(features, weight, bias), goal, weights).item()
        network.head.weight.copy_(weight / std)
        network.head.bias.copy_(bias - (weight / std) @ mean)
    return loss


def _loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    weights = weights.to(logits.device)
    each = -(targets * weights * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return each.sum() / (targets * weights).sum()


def _batches(
    images: Pixels, order: NDArray[np.int64], size: int, policy: Policy
) -> Iterator[tuple[NDArray[np.int64], Pixels]]:
    """Augmented batches in the given order; the next one is made while the present one trains."""
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(policy, images[parts[0]])
        for index, following in zip(parts, [*parts[1:], None], strict=True):
            batch = coming.result()
            if following is not None:
                coming = pool.submit(policy, images[following])
            yield index, batch


def _save(checkpoint: Path, epoch: int, state: dict[str, Any]) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    part = checkpoint.with_name(f".{checkpoint.name}.part")
    with part.open("wb") as stream:
        torch.save({"epoch": epoch, **{name: one.state_dict() for name, one in state.items()}}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(checkpoint)


def _resume(checkpoint: Path, state: dict[str, nn.Module | Any]) -> int | None:
    if not checkpoint.is_file():
        return None
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    for name, one in state.items():
        one.load_state_dict(saved[name])
    log.info("going on after epoch %d, from %s", saved["epoch"], checkpoint)
    return int(saved["epoch"])
