"""What a training run is told: one YAML file, every key typed, unknown keys refused."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from data.catalog import OK_CLASSES
from data.config import ConfigModel
from data.decide import Aims
from data.image import Preprocessing
from data.split import SplitShares


class DataSource(ConfigModel):
    """Where the labelled images come from: `elpv` needs no path; `folder` and `catalog` (a CSV) do."""

    source: Literal["elpv", "folder", "catalog"]
    path: Path | None = None
    ok_classes: frozenset[str] = OK_CLASSES
    product: str = ""
    limit: int | None = Field(default=None, ge=1, description="elpv only: use that many images, evenly spread")

    @model_validator(mode="after")
    def _path_fits(self) -> Self:
        if (self.path is None) == (self.source != "elpv"):
            raise ValueError(f"source {self.source} {'takes no path' if self.source == 'elpv' else 'needs a path'}")
        return self


class ModelConfig(ConfigModel):
    """The pretrained backbone and the size of image that it sees."""

    backbone: str = "tf_efficientnet_lite0"
    weights: Path | None = Field(default=None, description="a state_dict file; without it, see training/weights.py")
    image: Preprocessing = Preprocessing(width=224, height=224)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class Transform(ConfigModel):
    """One albumentations transform by name, with its arguments."""

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class FitConfig(ConfigModel):
    """How the network learns: a linear head on frozen features first, then fine-tuning (Kumar et al., arXiv 2202.10054)."""

    head_views: int = Field(default=1, ge=1, description="augmented views of each image that the head is fitted on")
    head_l2: float = Field(default=0.1, gt=0, description="L2 penalty of the head on standardised features")
    epochs: int = Field(default=6, ge=0, description="fine-tuning epochs after the head is fitted")
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=3e-5, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(default=0.05, ge=0)
    ema_decay: float = Field(default=0.98, ge=0, lt=1, description="per step; the averaged weights are the result")
    class_balance: float = Field(default=0.5, ge=0, le=1, description="0: as counted, 1: every class weighs the same")
    frozen: tuple[str, ...] = Field(default=(), description="backbone modules that keep their pretrained weights")
    precision: Literal["auto", "bfloat16", "float32"] = "auto"


class ExportConfig(ConfigModel):
    """When the int8 model may take the place of the float32 one."""

    int8_auroc_loss: float = Field(default=0.005, ge=0, description="the most AUROC that int8 may lose on val")
    calibration_images: int = Field(default=128, ge=1)


class TrainConfig(ConfigModel):
    """One training run; everything it writes goes under `output`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    seed: int = Field(default=0, ge=0, lt=2**31)
    data: DataSource
    splits: SplitShares = SplitShares()
    model: ModelConfig = ModelConfig()
    augment: tuple[Transform, ...] = ()
    fit: FitConfig = FitConfig()
    aims: Aims = Aims()
    export: ExportConfig = ExportConfig()
    output: Path = Path("var")
