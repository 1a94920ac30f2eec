"""What a training run is told: one YAML file, every key typed, unknown keys refused."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from data.catalog import OK_CLASSES
from data.decide import Aims
from data.image import Preprocessing
from data.record import Record
from data.split import SplitShares
from data.targets import Targets


class DataSource(Record):
    """Where the labelled images come from: `elpv` needs no path; `folder`, `coco` (its JSON) and `catalog` (a CSV) do."""

    source: Literal["elpv", "folder", "coco", "catalog"]
    path: Path | None = None
    ok_classes: frozenset[str] = OK_CLASSES
    product: str = ""
    limit: int | None = Field(default=None, ge=1, description="elpv only: use that many images, evenly spread")

    @model_validator(mode="after")
    def _path_fits(self) -> Self:
        if (self.path is None) == (self.source != "elpv"):
            raise ValueError(f"source {self.source} {'takes no path' if self.source == 'elpv' else 'needs a path'}")
        return self


class ModelConfig(Record):
    """The pretrained backbone and the size of image that it sees."""

    backbone: str = "tf_efficientnet_lite0"
    weights: Path | None = Field(default=None, description="a state_dict file; without it, see training/weights.py")
    image: Preprocessing = Preprocessing(width=224, height=224)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    tuned_side: int | None = Field(
        default=None,
        ge=32,
        description="the learning backbone sees the image shrunk to a square of this; None: as it is",
    )
    second_opinion: bool = Field(
        default=False, description="average with a kernel machine on the backbone as pretrained, on the image as it is"
    )


class Transform(Record):
    """One albumentations transform by name, with its arguments."""

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class FitConfig(Record):
    """How the network learns: a linear head on frozen features first, then fine-tuning (Kumar et al., arXiv 2202.10054)."""

    head_views: int = Field(default=1, ge=1, description="augmented views of each image that the head is fitted on")
    head_l2: float = Field(default=0.1, gt=0, description="L2 penalty of the head on standardised features")
    epochs: int = Field(default=6, ge=0, description="fine-tuning epochs after the head is fitted")
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-4, gt=0, description="peak of the one-cycle schedule, for the last stage")
    layer_decay: float = Field(
        default=0.7, gt=0, le=1, description="each earlier layer learns at this share of the next"
    )
    place_learning_rate: float = Field(default=1e-3, gt=0, description="of the place head, which starts from nothing")
    place_weight: float = Field(
        default=0.3, ge=0, description="loss of the image's strongest places beside the image's own"
    )
    mask_weight: float = Field(
        default=1.0, ge=0, description="loss per place, where boxes or masks say which are defective"
    )
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.05, ge=0)
    ema_decay: float = Field(default=0.98, ge=0, lt=1, description="per step; the averaged weights are the result")
    class_balance: float = Field(default=0.5, ge=0, le=1, description="0: as counted, 1: every class weighs the same")
    frozen: tuple[str, ...] = Field(default=(), description="backbone modules that keep their pretrained weights")
    precision: Literal["auto", "bfloat16", "float32"] = "auto"


DefectKind = Literal["cut_paste", "real", "scratch", "spot", "texture"]


class SyntheticConfig(Record):
    """Synthetic defects drawn into good images while training, see training/synthetic.py."""

    share: float = Field(default=0.0, ge=0, le=1, description="of the good images in a batch that receive a defect")
    kinds: tuple[DefectKind, ...] = Field(default=get_args(DefectKind), min_length=1, description="each as often")
    size: tuple[float, float] = Field(default=(0.05, 0.4), description="longest extent by the image's shorter side")

    @field_validator("size")
    @classmethod
    def _size_is_a_range(cls, size: tuple[float, float]) -> tuple[float, float]:
        if not 0 < size[0] <= size[1] <= 1:
            raise ValueError(f"expected [smallest, largest] with 0 < smallest <= largest <= 1, got {list(size)}")
        return size


class ExportConfig(Record):
    """When the int8 model may take the place of the float32 one."""

    int8_auroc_loss: float = Field(default=0.003, ge=0, description="the most AUROC that int8 may lose on val")
    calibration_images: int = Field(default=128, ge=1)


class TrainConfig(Record):
    """One training run; everything it writes goes under `output`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    seed: int = Field(default=0, ge=0, lt=2**31)
    data: DataSource
    splits: SplitShares = SplitShares()
    folds: int = Field(
        default=0, ge=0, le=20, description="score the train images too, out of fold; 0: val alone decides"
    )
    fold_devices: tuple[Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")], ...] = Field(
        default=(), description="folds train at the same time, one on each of these, as torch names them; (): every GPU"
    )
    fold_cluster: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.-]+:\d+$",
        description="HOST:PORT of the head of a Ray cluster that this machine is part of, on whose machines the folds train",
    )
    model: ModelConfig = ModelConfig()
    augment: tuple[Transform, ...] = ()
    synthetic: SyntheticConfig = SyntheticConfig()
    fit: FitConfig = FitConfig()
    aims: Aims = Aims()
    targets: Targets = Targets()
    export: ExportConfig = ExportConfig()
    output: Path = Path("var")

    @model_validator(mode="after")
    def _folds_have_one_place(self) -> Self:
        if self.fold_cluster and self.fold_devices:
            raise ValueError("fold_cluster and fold_devices are both given; a cluster hands out its GPUs itself")
        return self

    def identity(self, data_sha256: str, *more: str) -> str:
        """Names the checkpoints of a run: what it trains on and how, so that no other run goes on from them.

        `data_sha256` is the catalog's fingerprint; `more` are further keys that the checkpoints depend on.
        """
        keys = {"seed", "splits", "folds", "model", "augment", "synthetic", "fit", *more}
        return hashlib.sha256(f"{self.model_dump_json(include=keys)}{data_sha256}".encode()).hexdigest()[:12]
