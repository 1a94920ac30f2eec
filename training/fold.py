"""One fold of a cross-validation: a network trained without its held-out images, and what it makes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from training.augment import build_policy
from training.config import TrainConfig
from training.dataset import Examples
from training.fit import Device, Epoch, fit, predict_logits
from training.network import build_network
from training.scores import auroc
from training.synthetic import Synthesis

OnEpoch = Callable[[Epoch, float], None]
"""called after each epoch, its checkpoint written, with the AUROC on the held-out images"""


@dataclass(frozen=True)
class Folds:
    """What every fold is trained from; can be handed to another process or machine."""

    config: TrainConfig
    catalog: Catalog
    examples: Examples
    assignment: NDArray[np.int64]
    """[n], the fold that holds each example out"""

    def train(self, fold: int, checkpoint: Path, device: Device, on_epoch: OnEpoch) -> NDArray[np.float32]:
        """Class logits [k, C] of the examples that `fold` holds out, trained on the others; goes on from `checkpoint`.

        Raises InputError when it cannot be trained.
        """
        config = self.config
        train, held_out = self.examples.take(self.assignment != fold), self.examples.take(self.assignment == fold)
        fitted = fit(
            build_network(config.model, config.fit.frozen, self.catalog.classes, self.catalog.ok_classes),
            train,
            held_out,
            self.catalog.classes,
            build_policy(config.augment),
            Synthesis(config.synthetic),
            config.fit,
            config.seed + fold,
            checkpoint,
            device,
            lambda epoch: on_epoch(epoch, auroc(epoch.val_log_odds, held_out.is_defect)),
        )
        logits: NDArray[np.float32] = predict_logits(
            fitted, held_out, Device.choose(config.fit.precision, "cpu")
        ).numpy()
        return logits
