"""What an installation can set: configs/serving/*.yaml, QC_ environment variables, --set."""

import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from data.config import ConfigModel, load_config
from serving.role import Role

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


class Tls(ConfigModel):
    """HTTPS, by this server's own certificate or by a proxy in front of it."""

    certificate: Path | None = Field(default=None, description="PEM file, with the chain")
    private_key: Path | None = Field(default=None, description="PEM file, without a pass phrase")
    proxy: str | None = Field(
        default=None,
        description="address of the proxy that terminates TLS; what it says about the caller's address is believed",
    )

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self


class Sessions(ConfigModel):
    """How long a person stays signed in."""

    idle_seconds: float = Field(default=1800, gt=0, description="without any request; an open page makes some")
    longest_seconds: float = Field(default=43_200, gt=0, description="in all: a long shift")


class Oidc(ConfigModel):
    """Sign-in by the plant's own identity provider; the client secret is in the environment as QC_OIDC_CLIENT_SECRET."""

    metadata_url: str = Field(description="https://.../.well-known/openid-configuration")
    client_id: str
    name_claim: str = "preferred_username"
    role_claim: str = Field(default="groups", description="a value or a list; who has none of `roles` stays outside")
    roles: dict[str, Role] = Field(min_length=1, description="claim value -> role; of several the last in Role counts")


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
    auth: bool = Field(
        default=True, description="off: everyone is admin under the name that they give; only on a loopback host"
    )
    hosts: tuple[str, ...] = Field(default=(), description="Host names that are answered besides the loopback ones")
    tls: Tls = Tls()
    sessions: Sessions = Sessions()
    oidc: Oidc | None = None
    costs: Costs = Costs()
    recipes: tuple[Recipe, ...] = ()

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> Self:
        reachable = f"{self.host} is reachable from other machines"
        if not self.auth and (not self.is_loopback or self.hosts):
            raise ValueError(
                f"{reachable if self.hosts == () else f'hosts {list(self.hosts)}'} needs to know who is calling: "
                "set auth to on, or use host 127.0.0.1 without other names"
            )
        if not self.is_loopback and not self.https:
            raise ValueError(
                f"{reachable}, and passwords must not go there in the clear: set tls.certificate and tls.private_key, "
                "or tls.proxy to the address of a proxy that terminates TLS"
            )
        if not self.is_loopback and not self.hosts:
            raise ValueError(f"{reachable}: set hosts to the names that browsers and cameras call it by")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or _is_loopback(self.host)

    @property
    def https(self) -> bool:
        """Whether callers speak HTTPS, with this server or with the proxy before it."""
        return self.tls.certificate is not None or self.tls.proxy is not None

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

    Raises InputError naming the key at fault, and for a server that strangers could reach unasked.
    """
    environment = [f"{key}={json.dumps(value)}" for key, value in EnvSettingsSource(Settings)().items()]
    return load_config(config, Settings, [*environment, *overrides])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
