"""What an installation can set: configs/serving/*.yaml, QC_ environment variables, --set."""

import ipaddress
import json
from collections.abc import Sequence
from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from data.bundle import Provider
from data.config import load_config
from data.image import MOST_PIXELS
from data.record import Record
from serving.quality.charts import ChartKind, Rule
from serving.role import Role
from serving.schema import Rule as RetentionRule

DEFAULT_CONFIG = Path("configs/serving/default.yaml")

_DAY_MINUTES = 24 * 60


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; give one such as Asia/Taipei or Europe/Berlin") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class BundleName(Record):
    """A model by its name; without a version, the newest of that name."""

    name: str
    version: str | None = None


class Recipe(Record):
    """How a product is inspected at a station: the model, and the cameras that must all have seen a part before it may pass."""

    product: str
    station: str
    expected_views: tuple[str, ...] = ()
    view_window_seconds: float = Field(
        default=60.0, gt=0, description="from a part's first view until a missing one is overdue"
    )
    opportunities: int = Field(default=1, ge=1, description="places of a part that can be defective, for DPMO")
    bundle: BundleName | None = Field(
        default=None,
        description="decides until another is promoted for this recipe; without it, what decides everywhere else",
    )


class RateLimit(Record):
    """A token bucket for each camera: so many frames a second on average, and `burst` at once."""

    frames_per_second: float = Field(gt=0)
    burst: int = Field(default=10, ge=1)


class Disk(Record):
    """Free bytes on the disks of images and database; a floor of 0 is never reached."""

    keep_passed_above: int = Field(
        default=2 * 1024**3, ge=0, description="below it, images of passed frames are not kept; their rows are"
    )
    take_above: int = Field(default=512 * 1024**2, ge=0, description="below it, frames are answered 507")


class Clock(Record):
    """When a frame's `captured_at` speaks of a clock that is wrong; it is stored as given, told and counted."""

    ahead_seconds: float = Field(default=60.0, gt=0)
    behind_seconds: float = Field(default=7 * 86_400.0, gt=0, description="a camera may have kept frames while offline")


class Costs(Record):
    """What a wrong verdict costs, in any one currency; only their ratio orders the review queue."""

    escape: float = Field(default=285.71, gt=0)
    overkill: float = Field(default=10.0, gt=0)


class Tls(Record):
    """HTTPS, by this server's own certificate or by a proxy in front of it."""

    certificate: Path | None = Field(default=None, description="PEM file, with the chain")
    private_key: Path | None = Field(default=None, description="PEM file, without a pass phrase")
    proxy: str | None = Field(
        default=None,
        description="address of the proxy that terminates TLS; what it says about the caller's address is believed",
    )

    @field_validator("proxy")
    @classmethod
    def _address(cls, proxy: str | None) -> str | None:
        # A name would match no caller, and `*` every one: whoever says so would come from wherever it likes.
        try:
            for one in (proxy or "127.0.0.1").split(","):
                ipaddress.ip_network(one.strip())
        except ValueError as error:
            raise ValueError(
                f"{proxy!r} is no IP address; give the proxy's own, such as 10.0.0.5 or 10.0.0.0/29"
            ) from error
        return proxy

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self


class Sessions(Record):
    """How long a person stays signed in."""

    idle_seconds: float = Field(default=1800, gt=0, description="without any request; an open page makes some")
    longest_seconds: float = Field(default=43_200, gt=0, description="in all: a long shift")


class Oidc(Record):
    """Sign-in by the plant's own identity provider; the client secret is in the environment as QC_OIDC_CLIENT_SECRET."""

    metadata_url: str = Field(description="https://.../.well-known/openid-configuration")
    client_id: str
    name_claim: str = "preferred_username"
    role_claim: str = Field(default="groups", description="a value or a list; who has none of `roles` stays outside")
    roles: dict[str, Role] = Field(min_length=1, description="claim value -> role; of several the last in Role counts")


class Retention(Record):
    """Days from the receipt of a frame for which things are kept; without a number, for ever.

    What waits for a person, and what a legal hold names, is kept whatever its age.
    """

    flagged_images: float | None = Field(
        default=None, gt=0, description="images of frames that were rejected, reviewed, audited or not decided"
    )
    passed_images: float | None = Field(
        default=None,
        gt=0,
        description="images of passed frames that nobody looked at, also of a part whose other views were not passed",
    )
    rows: float | None = Field(
        default=None,
        gt=0,
        description="whole inspections; a tombstone remains, with the verdict and what people decided. Looks at drift go too",
    )
    every_minutes: float = Field(default=60, gt=0, description="how often it is looked for what has become too old")

    @model_validator(mode="after")
    def _rows_outlast_images(self) -> Self:
        for name in ("flagged_images", "passed_images"):
            days = getattr(self, name)
            if self.rows is not None and days is not None and days > self.rows:
                raise ValueError(f"{name}: {days:g} days, but the rows that they belong to go after {self.rows:g}")
        return self

    def days(self, rule: RetentionRule) -> float | None:
        """How long what `rule` removes is kept; None for ever."""
        days: float | None = getattr(self, rule.value)
        return days


class Tracing(Record):
    """OpenTelemetry traces over OTLP/HTTP; needs `pip install '.[otel]'`."""

    endpoint: str | None = Field(
        default=None, description="where to send spans, such as http://127.0.0.1:4318/v1/traces; off without one"
    )
    share: float = Field(default=1.0, ge=0, le=1, description="of the requests that no caller traces already")


class CameraHealth(Record):
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


class Drift(Record):
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


class Shift(Record):
    """A shift on the wall clock; one that ends no later than it starts goes over midnight."""

    name: str = Field(min_length=1, max_length=64)
    start: time
    end: time

    @field_validator("start", "end", mode="before")
    @classmethod
    def _clock(cls, value: object) -> object:
        # YAML 1.1 reads an unquoted 14:00 as the number 840, of minutes.
        return time(value // 60, value % 60) if isinstance(value, int) and 0 <= value < _DAY_MINUTES else value


_THREE_SHIFTS = (
    Shift(name="early", start=time(6), end=time(14)),
    Shift(name="late", start=time(14), end=time(22)),
    Shift(name="night", start=time(22), end=time(6)),
)


class LineClock(Record):
    """The wall clock of a line, and its shifts."""

    line: str | None = Field(default=None, description="without one, of all lines that have none of their own")
    time_zone: TimeZone = Field(default="UTC", description="such as Asia/Taipei; without one, the plant's")
    shifts: tuple[Shift, ...] = Field(default=_THREE_SHIFTS, min_length=1)
    demand_per_shift: float | None = Field(default=None, gt=0, description="parts wanted of a shift: gives the takt")

    @field_validator("shifts")
    @classmethod
    def _apart(cls, shifts: tuple[Shift, ...]) -> tuple[Shift, ...]:
        taken = [False] * _DAY_MINUTES
        for shift in shifts:
            start, end = (at.hour * 60 + at.minute for at in (shift.start, shift.end))
            for minute in range(start, end if end > start else end + _DAY_MINUTES):
                if taken[minute % _DAY_MINUTES]:
                    raise ValueError(f"shift {shift.name} overlaps another one at {minute % _DAY_MINUTES // 60:02}:00")
                taken[minute % _DAY_MINUTES] = True
        return shifts


class QualityCosts(Record):
    """What quality costs, beside `costs`; all in one currency. Without a number the category is told as unknown."""

    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    prevention_per_day: float | None = Field(default=None, ge=0, description="training, maintenance, planning")
    wage_per_hour: float | None = Field(default=None, ge=0, description="of those who review")
    scrap: float | None = Field(default=None, ge=0, description="a confirmed defect: scrapped or reworked")
    external: float | None = Field(default=None, ge=0, description="an escape: recall, warranty")


class Spc(Record):
    """Control charts of each camera, product and model."""

    subgroup: int = Field(default=100, ge=10, description="frames that make one point")
    baseline: int = Field(default=25, ge=10, description="first points of a model from which its limits are frozen")
    calm: int = Field(default=8, ge=1, description="points in a row without a signal that clear an alarm")
    chart: ChartKind = Field(
        default="p",
        description="p: share of flagged frames; laney: the same, when points vary more than chance; u: regions",
    )
    alarm_rules: tuple[Rule, ...] = Field(
        default=("beyond_3", "cusum"),
        description="signals that raise an alarm: in control these two together every 200 points or so; the others show",
    )


class Webhook(Record):
    """Where alarms are posted, signed as Standard Webhooks; the secret is in the environment as QC_WEBHOOK_SECRET."""

    url: str = Field(pattern="^https?://")
    timeout_seconds: float = Field(default=5.0, gt=0)


class Audit(Record):
    """How many passed parts people can look at, so that escapes are measured; of 0 none are drawn."""

    per_day: float = Field(default=0.0, ge=0, description="passed frames to review in 24 hours, over all lines")
    least: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of them that is spread evenly over the score bands, whatever was found",
    )
    first_share: float = Field(
        default=0.05, ge=0, le=1, description="chance of each passed frame while too few were seen to plan"
    )
    enough: int = Field(
        default=60,
        ge=1,
        description="audits before an escape rate is told: 60 without a defect show that 95 % of the passed are good",
    )
    plan_minutes: float = Field(default=5.0, gt=0, description="how often the chances are set anew")


class Reviewing(Record):
    """How parts are given to people."""

    claim_seconds: float = Field(
        default=120.0, gt=0, description="how long a part on a screen is kept from others after that page last asked"
    )
    blind_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="of the flagged parts, how many are decided before the model's verdict shows",
    )
    second_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="of the decided parts, how many another person decides again, blind; none while one person reviews alone",
    )
    people_in_figures: Literal["none", "pseudonyms", "names"] = Field(
        default="pseudonyms",
        description="how figures about people show each person; names only to those who may plan. Rating people by such figures "
        "is a regulated use: whoever sets `names` needs a ground for it",
    )


class Reports(Record):
    """Reports that the server writes by itself, once a week or month is over."""

    directory: Path | None = Field(default=None, description="where to write them; none: only when asked for")
    every: tuple[Literal["week", "month"], ...] = ("week", "month")
    languages: tuple[Literal["en", "zh-Hant"], ...] = ("en", "zh-Hant")


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
    roi_assumptions: Path = Field(
        default=Path("configs/roi/case_study.yaml"),
        description="the case study, and the first version of the plant's own numbers; later ones are in the database",
    )
    roi_candidates: Path | None = Field(
        default=None, description="YAML or CSV of places where the next camera could stand"
    )
    time_zone: TimeZone = Field(default="UTC", description="the plant's, by which its days, weeks and months begin")
    reports: Reports = Reports()
    largest_upload_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
    most_pixels: int = Field(default=MOST_PIXELS, gt=0)
    deadline_seconds: float = Field(default=5.0, gt=0)
    largest_batch: int = Field(default=8, ge=1, le=256)
    batch_seconds: float = Field(
        default=0.1, gt=0, description="what a batch may take by the model's measured times; it is made smaller for it"
    )
    queue_limit: int = Field(
        default=128,
        ge=1,
        description="inspections in progress, and bodies being read, before new ones are answered 503; "
        "n busy cameras may hold 1 / (n + 1) of it each",
    )
    latency_target_seconds: float = Field(
        default=2.0,
        gt=0,
        description="a frame that would be answered later, by what was measured, is answered 503 at once",
    )
    rate: RateLimit | None = Field(
        default=None, description="more frames of one camera are answered 429; none: no limit"
    )
    provider: Provider = Field(
        default="cpu", description="what runs the models; other than cpu needs another build of onnxruntime"
    )
    threads: int = Field(default=2, ge=1, description="images decoded, and batches computed, at once")
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
    reviewing: Reviewing = Reviewing()
    retention: Retention = Retention()
    tracing: Tracing = Tracing()
    camera_health: CameraHealth = CameraHealth()
    drift: Drift = Drift()
    audit: Audit = Audit()
    clocks: tuple[LineClock, ...] = Field(default=(LineClock(),), min_length=1, validate_default=True)
    quality_costs: QualityCosts = QualityCosts()
    spc: Spc = Spc()
    webhook: Webhook | None = None
    recipes: tuple[Recipe, ...] = ()
    lines: tuple[str, ...] = Field(
        default=(), description="frames of other lines are refused; none: every line is taken"
    )
    disk: Disk = Disk()
    clock: Clock = Clock()
    orphan_grace_seconds: float = Field(
        default=120.0,
        gt=0,
        description="how old an image without an inspection must be before start-up after a crash moves it to orphans/",
    )

    @field_validator("recipes")
    @classmethod
    def _one_each(cls, recipes: tuple[Recipe, ...]) -> tuple[Recipe, ...]:
        names = [(recipe.product, recipe.station) for recipe in recipes]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(
                f"more than one recipe for {', '.join(f'{one} at {other}' for one, other in sorted(twice))}"
            )
        return recipes

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

    @field_validator("clocks")
    @classmethod
    def _in_the_plants_zone(cls, clocks: tuple[LineClock, ...], info: ValidationInfo) -> tuple[LineClock, ...]:
        plant = {"time_zone": info.data.get("time_zone", "UTC")}
        return tuple(
            clock if "time_zone" in clock.model_fields_set else clock.model_copy(update=plant) for clock in clocks
        )

    @property
    def zone(self) -> ZoneInfo:
        """The plant's time zone."""
        return ZoneInfo(self.time_zone)

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
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # load_settings puts the environment between the file and --set, which no order of sources here could do.
        return (init_settings,)

    def expected_views(self, product: str, station: str) -> tuple[str, ...]:
        """The cameras that must have seen a part of `product` at `station`; none known means any one will do."""
        recipe = self.recipe(product, station)
        return () if recipe is None else recipe.expected_views

    def clock_of(self, line: str) -> LineClock:
        """The wall clock of a line."""
        own = [clock for clock in self.clocks if clock.line == line]
        others = [clock for clock in self.clocks if clock.line is None] or [LineClock(time_zone=self.time_zone)]
        return (own or others)[0]

    def recipe(self, product: str, station: str) -> Recipe | None:
        """How `product` is inspected at `station`, None where nothing was said of it."""
        for recipe in self.recipes:
            if (recipe.product, recipe.station) == (product, station):
                return recipe
        return None


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
