"""Transfer learning: a linear head on frozen features, then fine-tuning, with a checkpoint after every epoch."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from data.durable import replacing
from data.errors import InputError
from data.image import Pixels
from training.augment import Policy
from training.config import FitConfig
from training.dataset import Examples
from training.network import Answers, Network, defect_log_odds
from training.progress import bar
from training.second_opinion import SecondOpinion
from training.synthetic import Synthesis
from training.weights import UNREADABLE, load_saved

log = logging.getLogger(__name__)

_HEAD_STEPS = 100
_RISING = 0.2  # share of the one-cycle schedule
_INFERENCE_BATCH = 16


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; epoch 0 is the head on frozen features. `val_loss` is the soft-label cross-entropy in nats."""

    number: int
    train_loss: float
    val_loss: float
    val_log_odds: NDArray[np.float32]
    """[n], uncalibrated, of the averaged weights"""

    def __str__(self) -> str:
        return f"epoch {self.number}: loss {self.train_loss:.4f}, val {self.val_loss:.4f}"


@dataclass(frozen=True)
class _Batch:
    """Augmented images with what they should be answered."""

    images: Pixels
    targets: NDArray[np.float32]
    """[k, C]"""
    masks: NDArray[np.uint8] | None
    """[k, H, W], over 0 where defective; None when no place of any image is known"""
    annotated: NDArray[np.bool_]
    """[k], whether the mask tells the whole truth"""


@dataclass(frozen=True)
class Device:
    """Where to compute and in which precision; `autocast` dtype float32 means no autocast."""

    name: str
    autocast: torch.dtype

    @classmethod
    def choose(cls, precision: str, name: str | None = None) -> "Device":
        """The GPU where there is one, unless named (`cpu`, `cuda`, `cuda:1`).

        `auto` takes bfloat16 where the hardware multiplies it fast.
        """
        name = name or ("cuda" if torch.cuda.is_available() else "cpu")
        if precision == "auto":
            gpu = torch.device(name).type == "cuda"
            fast = torch.cuda.is_bf16_supported() if gpu else torch.ops.mkldnn._is_mkldnn_bf16_supported()
            precision = "bfloat16" if fast else "float32"
        return cls(name, torch.bfloat16 if precision == "bfloat16" else torch.float32)

    def context(self) -> torch.autocast:
        return torch.autocast(
            torch.device(self.name).type, dtype=torch.bfloat16, enabled=self.autocast is torch.bfloat16
        )


def fit(
    network: Network,
    train: Examples,
    val: Examples,
    classes: list[str],
    policy: Policy,
    synthesis: Synthesis,
    config: FitConfig,
    seed: int,
    checkpoint: Path,
    device: Device,
    on_epoch: Callable[[Epoch], None],
) -> Network:
    """Train `network` in place and return its averaged weights in a network of their own, on the CPU.

    After every epoch `checkpoint` is replaced in one step; when it is there already, training goes on from it and comes
    to the same weights as an uninterrupted run. Raises InputError when the loss is no longer a number, and when the
    checkpoint is damaged.
    """
    synthesis.collect(train)
    train, val = (with_frozen(network, examples, device) for examples in (train, val))
    network.to(device.name).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch declares no memory format
    targets = _smoothed(train.targets(classes, network.ok), config.label_smoothing)
    val_targets = torch.from_numpy(val.targets(classes, network.ok))
    weights = class_weights(targets, config.class_balance)

    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))  # type: ignore[no-untyped-call] # torch leaves it untyped
    groups = _layer_groups(network, config)
    optimizer = torch.optim.AdamW(groups)
    steps = len(train.rows) // min(config.batch_size, len(train.rows))
    total = max(1, steps * config.epochs)
    # torch divides by the steps that rise after the first.
    rising = 2 * _RISING if _RISING * total == 1 else _RISING
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=[group["lr"] for group in groups], total_steps=total, pct_start=rising
    )
    result = cast(Network, averaged.module)
    state = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}

    decided: list[Tensor] = []  # the second opinion on val, which no epoch changes

    def close(number: int, loss: float) -> None:
        logits = _own_logits(result, val.images, device)
        if result.second is not None:
            if not decided:
                decided.append(_decisions(result.second, val))
            result.second.weigh(defect_log_odds(logits, result.ok), decided[0])
            logits = result.combine(logits, decided[0])
        # The losses of an epoch come before its last step, which can ruin the weights all the same.
        val_loss = _finite(functional.cross_entropy(logits, val_targets).item(), number, config)
        _save(checkpoint, number, state)
        on_epoch(Epoch(number, loss, val_loss, defect_log_odds(logits, network.ok).numpy()))

    done = _resume(checkpoint, state)
    if done is None:
        torch.manual_seed(seed)
        policy.seed(seed)
        loss = _fit_head(network, train, targets, weights, policy, config, device)
        result.load_state_dict(network.state_dict())
        done = 0
        close(done, loss)
    for number in range(done + 1, config.epochs + 1):
        torch.manual_seed(seed + number)
        policy.seed(seed + number)
        synthesis.seed(seed + number)
        random = np.random.default_rng([seed, number])
        order = random.permutation(len(train.rows))[: steps * config.batch_size]
        make = partial(_augmented, train, targets, network.ok, policy, synthesis, random)
        losses = []
        network.train()
        for batch in bar(_ahead(make, order, config.batch_size), steps, f"epoch {number} of {config.epochs}"):
            with device.context():
                answers = network(torch.from_numpy(batch.images).to(device.name))
            loss_tensor = _loss(answers, batch, weights, config, network.ok)
            losses.append(_finite(loss_tensor.item(), number, config))
            optimizer.zero_grad()
            loss_tensor.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            optimizer.step()
            schedule.step()
            averaged.update_parameters(network)
        close(number, float(np.mean(losses)))
    return result.to("cpu").eval()


def _layer_groups(network: Network, config: FitConfig) -> list[dict[str, Any]]:
    """Parameters by their rate: `learning_rate` for the last stage and the head, less for each layer before."""
    from timm.optim import param_groups_layer_decay  # not before the operators are declared, as weights.py does

    groups: list[dict[str, Any]] = param_groups_layer_decay(
        network.backbone, weight_decay=config.weight_decay, layer_decay=config.layer_decay
    )
    groups = [
        {
            "params": group["params"],
            "weight_decay": group["weight_decay"],
            "lr": config.learning_rate * group["lr_scale"],
        }
        for group in groups
    ]
    places = list(network.place_heads.parameters())
    return [
        *groups,
        {"params": list(network.head.parameters()), "weight_decay": config.weight_decay, "lr": config.learning_rate},
        {"params": places, "weight_decay": config.weight_decay, "lr": config.place_learning_rate},
    ]


def _finite(loss: float, epoch: int, config: FitConfig) -> float:
    if not np.isfinite(loss):
        raise InputError(
            f"the loss became {loss} in epoch {epoch}; lower fit.learning_rate ({config.learning_rate:g}) or "
            f"fit.place_learning_rate ({config.place_learning_rate:g}), or set fit.precision to float32"
        )
    return loss


def class_weights(targets: NDArray[np.float32], balance: float) -> Tensor:
    """Loss weight of each class, float32 [C]: (n / (C * n_c)) ** balance for soft labels `targets` [n, C]."""
    counts = np.maximum(targets.sum(axis=0), 1.0)
    weights: NDArray[np.float32] = (counts.sum() / (len(counts) * counts)) ** balance
    return torch.from_numpy(weights.astype(np.float32))


def predict_logits(network: Network, examples: Examples, device: Device) -> Tensor:
    """Class logits float32 [n, C] of examples, the second opinion's part in them where there is one; on the CPU."""
    logits = _own_logits(network, examples.images, device)
    if network.second is None:
        return logits
    return network.combine(logits, _decisions(network.second, with_frozen(network, examples, device)))


def with_frozen(network: Network, examples: Examples, device: Device) -> Examples:
    """The examples with what the second opinion's backbone sees in them, where `network` has one and it is not known yet.

    That backbone is the same in every fold and epoch, so whoever trains several networks computes it once.
    """
    if network.second is None or examples.frozen is not None:
        return examples
    network.second.backbone.eval().to(device.name).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch declares no memory format
    starts = range(0, len(examples.images), _INFERENCE_BATCH)
    with torch.inference_mode():
        parts = []
        for start in bar(starts, len(starts), "second opinion"):
            batch = torch.from_numpy(examples.images[start : start + _INFERENCE_BATCH]).to(device.name)
            with device.context():
                parts.append(network.second_embedding(batch).cpu())
    return replace(examples, frozen=torch.cat(parts).numpy())


def _own_logits(network: Network, images: Pixels, device: Device) -> Tensor:
    network.eval()
    parts = []
    with torch.inference_mode():
        for maps in _maps(network.maps, images, device):
            answers = network.judge(network.embed(maps), network.locate(maps))
            parts.append(answers.logits.cpu())
    return torch.cat(parts)


def _decisions(second: SecondOpinion, examples: Examples) -> Tensor:
    """The second opinion's decision [n] on each example, on the CPU."""
    assert examples.frozen is not None
    with torch.inference_mode():
        decisions: Tensor = second(torch.from_numpy(examples.frozen).to(second.support.device))
        return decisions.cpu()


def embed(compute: Callable[[Tensor], list[Tensor]], images: Pixels, device: Device) -> Tensor:
    """Embeddings float32 [n, d] of prepared images by a network's `maps`, on the CPU."""
    with torch.inference_mode():
        return torch.cat([Network.embed(maps).cpu() for maps in _maps(compute, images, device)])


def solve_head(features: Tensor, targets: Tensor, weights: Tensor, l2: float) -> tuple[Tensor, Tensor, float]:
    """Weight [C, d], bias [C] and loss of the linear head on features [m, d] for soft targets [m, C], to convergence (L-BFGS)."""
    mean, std = features.mean(dim=0), features.std(dim=0) + 1e-6
    features = (features - mean) / std
    weight = torch.zeros(targets.shape[1], features.shape[1], requires_grad=True)
    bias = torch.zeros(targets.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=_HEAD_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = _cross_entropy(functional.linear(features, weight, bias), targets, weights)
        total: Tensor = loss + l2 * weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        return total

    solver.step(closure)  # type: ignore[no-untyped-call] # torch leaves it untyped
    with torch.no_grad():
        loss = _cross_entropy(functional.linear(features, weight, bias), targets, weights).item()
        return weight / std, bias - (weight / std) @ mean, loss


def _maps(compute: Callable[[Tensor], list[Tensor]], images: Pixels, device: Device) -> Iterator[list[Tensor]]:
    for start in range(0, len(images), _INFERENCE_BATCH):
        batch = torch.from_numpy(images[start : start + _INFERENCE_BATCH]).to(device.name)
        with device.context():
            maps = compute(batch)
        yield [one.float() for one in maps]


def _fit_head(
    network: Network,
    train: Examples,
    targets: NDArray[np.float32],
    weights: Tensor,
    policy: Policy,
    config: FitConfig,
    device: Device,
) -> float:
    """Solve image head and second opinion on frozen features, the head on augmented views too; returns the head's loss."""
    views = [train.images, *(policy(train.images) for _ in range(1, config.head_views))]
    network.eval()
    features = [embed(network.maps, view, device).clone() for view in bar(views, len(views), "fit head")]
    goal = torch.from_numpy(np.concatenate([targets] * len(views)))
    weight, bias, loss = solve_head(torch.cat(features), goal, weights, config.head_l2)
    with torch.no_grad():
        network.head.weight.copy_(weight)
        network.head.bias.copy_(bias)
        # The places add their bias to these logits.
        network.head.bias[network.ok :] -= cast(Tensor, network.place_heads[0].bias)
    if network.second is not None:
        assert train.frozen is not None
        certainty = np.abs(2 * targets[:, network.ok :].sum(axis=1) - 1)
        network.second.fit(torch.from_numpy(train.frozen), train.is_defect, certainty)
        network.second.to(device.name)
    return loss


def _smoothed(targets: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Soft labels [n, C] with `share` of each spread over all classes (Szegedy et al., arXiv 1512.00567)."""
    return (1 - share) * targets + np.float32(share / targets.shape[1])


def _loss(answers: Answers, batch: _Batch, weights: Tensor, config: FitConfig, ok: int) -> Tensor:
    """The image's cross-entropy, the same for its strongest places alone, and per place where the truth is known."""
    device = answers.logits.device
    targets = torch.from_numpy(batch.targets).to(device)
    total = _cross_entropy(answers.logits.float(), targets, weights)
    # Only the sum of the OK classes is known to the place head, whose log-odds are against OK as a whole.
    grouped = torch.cat([targets[:, :ok].sum(dim=1, keepdim=True), targets[:, ok:]], dim=1)
    strongest = functional.pad(answers.strongest.float(), (1, 0))
    per_group = torch.cat([weights[:ok].mean(dim=0, keepdim=True), weights[ok:]])
    total = total + config.place_weight * _cross_entropy(strongest, grouped, per_group)
    if batch.masks is not None and batch.annotated.any():
        total = total + config.mask_weight * _place_loss(answers.places, targets[:, ok:], batch)
    return total


def _place_loss(places: Tensor, of_class: Tensor, batch: _Batch) -> Tensor:
    """Binary cross-entropy of every place against the mask; defective and good places weigh the same in total.

    The place that a defect fills most is the full target: many defects are smaller than a place.
    """
    masks = torch.from_numpy(np.asarray(batch.masks)).to(places.device)[:, None].float()
    share = functional.adaptive_avg_pool2d(masks, (places.shape[2], places.shape[3]))
    share = share / share.amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    known = torch.from_numpy(batch.annotated).to(places.device)
    wanted = (share * of_class[:, :, None, None])[known]
    each = functional.binary_cross_entropy_with_logits(places.float()[known], wanted, reduction="none")
    shares = (wanted, 1 - wanted)
    return torch.stack([(each * share).sum() / share.sum().clamp(min=1) for share in shares]).sum()


def _cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    weights = weights.to(logits.device)
    each = -(targets * weights * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return each.sum() / (targets * weights).sum()


def _augmented(
    train: Examples,
    targets: NDArray[np.float32],
    ok: int,
    policy: Policy,
    synthesis: Synthesis,
    random: np.random.Generator,
    index: NDArray[np.int64],
) -> _Batch:
    """A batch of the images at `index`: some good ones receive a synthetic defect, then the policy changes all."""
    images, goal = train.images[index], targets[index].copy()
    if not (train.has_places or synthesis.share > 0):
        return _Batch(policy(images), goal, None, np.zeros(len(index), dtype=bool))
    masks, annotated = train.masks(index), train.annotated[index] & train.has_places
    good = ~train.is_defect[index]
    chosen = np.flatnonzero(good & (random.random(len(index)) < synthesis.share))
    if len(chosen):
        images = images.copy()
        images[chosen], drawn = synthesis(images[chosen])
        masks[chosen] = 255 * drawn.astype(np.uint8)
        annotated[chosen] = True
        goal[chosen, :ok] = 0
        goal[chosen, ok:] = 1 / (goal.shape[1] - ok)
    images, masks = policy.with_masks(images, masks)
    return _Batch(images, goal, masks, annotated)


def _ahead(make: Callable[[NDArray[np.int64]], _Batch], order: NDArray[np.int64], size: int) -> Iterator[_Batch]:
    """Batches in the given order; the next one is made while the present one trains."""
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, parts[0])
        for following in [*parts[1:], None]:
            batch = coming.result()
            if following is not None:
                coming = pool.submit(make, following)
            yield batch


def _save(checkpoint: Path, epoch: int, state: dict[str, Any]) -> None:
    with replacing(checkpoint) as stream:
        torch.save({"epoch": epoch, **{name: one.state_dict() for name, one in state.items()}}, stream)


def _resume(checkpoint: Path, state: dict[str, nn.Module | Any]) -> int | None:
    if not checkpoint.is_file():
        return None
    try:
        saved = load_saved(checkpoint)
        for name, one in state.items():
            one.load_state_dict(saved[name])
        epoch = int(saved["epoch"])
    except UNREADABLE as error:
        raise InputError(f"checkpoint {checkpoint} is damaged; delete it to start this training anew") from error
    log.info("going on after epoch %d, from %s", epoch, checkpoint)
    return epoch
