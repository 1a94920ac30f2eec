"""What an installation can set: configs/serving/*.yaml, QC_ environment variables, --set."""

import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from data.config import ConfigModel, load_config

DEFAULT_CONFIG = Path("configs/serving/default.yaml")


class Recipe(ConfigModel):
    """How a product is inspected at a station: the cameras that must all have seen a part before it may pass."""

    product: str
    station: str
    expected_views: tuple[str, ...]


class Costs(ConfigModel):
    """What a wrong verdict costs, in any one currency; only their ratio orders the review queue."""

    escape: float = Field(default=285.71, gt=0)
    overkill: float = Field(default=10.0, gt=0)


class CameraHealth(ConfigModel):
    """When a camera's frames are a fault of the camera, and not of the parts."""

    alike: int = Field(
        default=3,
        ge=2,
        description="so many frames in a row of one camera, each of another part, with the same picture: it is frozen, and the "
        "last of them and all further ones are held",
    )
    faults: int = Field(default=3, ge=1, description="an alarm is raised when so many ...")
    frames: int = Field(
        default=10,
        ge=1,
        description="... of so many frames of one camera have a fault; it clears when as many in a row have none",
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.faults > self.frames:
            raise ValueError(f"{self.faults} faults among {self.frames} frames can never be")
        return self


class Drift(ConfigModel):
    """When the frames of a camera, all together, are no longer what they were."""

    window: int = Field(
        default=200, ge=50, multiple_of=10, description="frames of one camera that are held against the references"
    )
    reference: int = Field(
        default=400,
        ge=50,
        description="the first frames of a camera after a promotion, which become its own reference beside the training's",
    )
    false_alarm: float = Field(
        default=0.001,
        gt=0,
        lt=1,
        description="chance, at most, that an unchanged camera raises a drift alarm within one window of frames",
    )


class Settings(BaseSettings):
    """Everything that one server needs to know; paths are relative to the working directory."""

    model_config = SettingsConfigDict(env_prefix="QC_", env_nested_delimiter="__", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    bundles: Path = Path("var/bundles")
    bundle: Path | None = Field(
        default=None, description="serve this bundle directory instead of the last promoted one"
    )
    database_url: str = "sqlite:///var/qc.db"
    images: str = Field(
        default="var/images", description="a directory, or an object store URL such as s3://bucket/path"
    )
    roi_assumptions: Path = Path("configs/roi/case_study.yaml")
    largest_upload_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
    most_pixels: int = Field(default=64_000_000, gt=0)
    deadline_seconds: float = Field(default=5.0, gt=0)
    largest_batch: int = Field(default=8, ge=1, le=256)
    queue_limit: int = Field(default=64, ge=1, description="inspections in progress before new ones are answered 503")
    threads: int = Field(default=2, ge=1, description="onnxruntime threads, and image decoding threads")
    enough_reviews: int = Field(
        default=30, ge=1, description="observations before a measured value replaces an assumed one"
    )
    costs: Costs = Costs()
    camera_health: CameraHealth = CameraHealth()
    drift: Drift = Drift()
    recipes: tuple[Recipe, ...] = ()

    @field_validator("host")
    @classmethod
    def _loopback(cls, host: str) -> str:
        if host != "localhost" and not _is_loopback(host):
            raise ValueError(
                f"{host} is reachable from other machines, and this server cannot yet tell who is calling; "
                "use 127.0.0.1, and a tunnel for remote access"
            )
        return host

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # load_settings puts the environment between the file and --set, which no order of sources here could do.
        return (init_settings,)

    def expected_views(self, product: str, station: str) -> tuple[str, ...]:
        """The cameras that must have seen a part of `product` at `station`; none known means any one will do."""
        for recipe in self.recipes:
            if (recipe.product, recipe.station) == (product, station):
                return recipe.expected_views
        return ()


def load_settings(config: Path = DEFAULT_CONFIG, overrides: Sequence[str] = ()) -> Settings:
    """Settings from a YAML file, then QC_ environment variables, then `key=value` overrides; the last one wins.

    Raises InputError naming the key at fault, and for a host that is not a loopback address.
    """
    environment = [f"{key}={json.dumps(value)}" for key, value in EnvSettingsSource(Settings)().items()]
    return load_config(config, Settings, [*environment, *overrides])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
