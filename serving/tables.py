"""The database: inspections, reviews, promotions, alarms, drift, shadows, the audit trail, holds and what retention left, who
may call, and figures by the hour that follow the inspections.

Of the former but who may call, rows are only added, and removed by retention alone; the few columns that change say so.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
    true,
)

from data.verdict import Verdict

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Name = String(128)
Id = String(36)

SLOT = timedelta(minutes=30)
"""What `tallies` are kept of, from multiples of it since 1970 UTC on."""

BANDED = (*(f"passed_band_{band}" for band in range(4)), "passed_unbanded")
"""Columns of `tallies`: passed frames by score band, as far as nobody found them defective."""

OUTCOMES = ("open", "confirmed", "false_call", "accepted")
FLAGGED = {
    verdict: {outcome: f"{verdict.value.lower()}_{outcome}" for outcome in OUTCOMES}
    for verdict in Verdict
    if verdict.flagged
}
"""Columns of `tallies`: flagged frames by verdict and by what people made of them."""


def microseconds(time: datetime) -> int:
    """An offset-aware time as whole microseconds since 1970 UTC."""
    return (time - EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The offset-aware time that `microseconds` gave."""
    return EPOCH + timedelta(microseconds=value)


class Utc(TypeDecorator[datetime]):
    """An offset-aware time as microseconds since 1970: it sorts, buckets by division, and is the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else from_microseconds(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Frames that are no challenge, by part, station and camera.
_VIEW = ("part_id", "product", "station", "camera", "received_at", "id")
_PRODUCTION = text("coalesce(audit, '') <> 'CHALLENGE'")

# By what people look for inspections. Whatever they combine is answered from one index: to look at each row takes ten times as
# long.
_LISTED_BY = ("line", "station", "product", "class_name", "verdict")
_IS_DECIDED = text("decision IS NOT NULL")
_OF_PERSON = text("reviewer IS NOT NULL")


def _listed(*by: str) -> tuple[str, ...]:
    return (*by, "received_at", "id", *(name for name in (*_LISTED_BY, "decision") if name not in by))


inspections = Table(
    "inspections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_at", Utc, nullable=False),
    Column("captured_at", Utc, nullable=False),
    Column("product", Name, nullable=False),
    Column("line", Name, nullable=False),
    Column("station", Name, nullable=False),
    Column("camera", Name, nullable=False),
    Column("part_id", Name, nullable=False),
    Column("lot", Name, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("cause", String(16)),
    Column("fault", String(16)),
    Column("reason", Text),
    Column("defect_probability", Float),
    Column("novelty", Float),
    Column("class_name", Name),
    Column("class_probability", JSON, nullable=False),
    Column("pass_below", Float),
    Column("reject_from", Float),
    # The change of thresholds in force, null for the model's own, and whether the guarantee covers these.
    Column("threshold_change", Integer),
    Column("guaranteed", Boolean),
    Column("regions", JSON, nullable=False),
    # An 8-bit grey PNG of the model's own small size; heat 1 is 255.
    Column("heatmap", LargeBinary),
    Column("model_name", Name),
    Column("model_version", Name),
    Column("latency_ms", Float, nullable=False),
    Column("image_sha256", String(64), nullable=False),
    Column("image_type", String(64), nullable=False),
    Column("image_bytes", Integer, nullable=False),
    Column("image_width", Integer),
    Column("image_height", Integer),
    # False where the disk was nearly full and the frame passed: there is a row and no image.
    Column("image_kept", Boolean, nullable=False, server_default=true()),
    Column("idempotency_key", String(200), unique=True),
    Column("fingerprint", String(64)),
    # Name of the API key; null without authentication.
    Column("posted_by", Name),
    # As data.sketch writes it, to find cases that look alike; null where no model decided.
    Column("sketch", LargeBinary),
    # SAMPLE: a passed frame drawn for an audit; CHALLENGE: of a part whose truth is known. Null for all others.
    Column("audit", String(16)),
    # Of a passed frame: its score band, and the chance with which it could be drawn (0 while nobody draws).
    Column("audit_band", Integer),
    Column("audit_probability", Float),
    # Of `line_holds`, where the line was on hold when the frame was decided.
    Column("line_hold_id", Id),
    # These four change: they follow the reviews, so that queue, metrics and history need not search for the last one. The
    # reviewer is null where no decision stands.
    Column("queue_cost", Float),
    Column("review_id", Id),
    Column("decision", String(24)),
    Column("reviewer", Name),
    # These two are set once, when retention removes the image.
    Column("image_removed_at", Utc),
    Column("image_removed_rule", String(32)),
    Index("ix_inspections_listed", *_listed()),
    *(Index(f"ix_inspections_of_{name}", *_listed(name)) for name in _LISTED_BY),
    Index("ix_inspections_of_reviewer", *_listed("reviewer"), sqlite_where=_OF_PERSON, postgresql_where=_OF_PERSON),
    Index("ix_inspections_decided", *_listed(), sqlite_where=_IS_DECIDED, postgresql_where=_IS_DECIDED),
    Index(None, "part_id", "received_at"),
    # What the triggers ask of a part, whose id may come again and again: its first frame on the line, and of each view.
    Index(None, "part_id", "line", "received_at"),
    Index("ix_inspections_views", *_VIEW, sqlite_where=_PRODUCTION, postgresql_where=_PRODUCTION),
    Index(None, "lot", "received_at"),
    # With what it takes to count what waits for a person.
    Index("ix_inspections_queue_cost_id_review_id_decision", "queue_cost", "id", "review_id", "decision"),
    Index(None, "line", "queue_cost", "id"),
    # What retention asks: which old frames still have their image, and which frames share one.
    Index(None, "image_removed_at", "received_at"),
    Index(None, "image_sha256"),
    # What people decided, by product: the past cases that a new one is held against.
    Index(
        "ix_inspections_product_decided",
        "product",
        "received_at",
        sqlite_where=_IS_DECIDED,
        postgresql_where=_IS_DECIDED,
    ),
)

# Who has a part of the review queue on the screen, and until when. Rows change, and go when they are over: nothing is
# decided here.
claims = Table(
    "claims",
    metadata,
    Column("inspection_id", Id, primary_key=True),
    Column("reviewer", Name, nullable=False),
    Column("until", Utc, nullable=False),
    Index(None, "reviewer"),
)

# What inspections and tombstones come to, by the hour: counting millions of rows takes seconds. Triggers, which migrations 0009
# and 0020 made, keep these in the transaction of the row itself; no other code writes them. serving.hourly reads them.
hourly_counts = Table(
    "hourly_counts",
    metadata,
    Column("hour", Utc, primary_key=True),
    Column("line", Name, primary_key=True),
    Column("verdict", String(16), primary_key=True),
    # Of the review that stands; empty where none does.
    Column("decision", String(24), primary_key=True),
    # Of confirmed defects; empty of all others.
    Column("defect_class", Name, primary_key=True),
    # 0 where a review moved the last one elsewhere.
    Column("frames", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Parts by the hour of their first frame on the line.
hourly_parts = Table(
    "hourly_parts",
    metadata,
    Column("hour", Utc, primary_key=True),
    Column("line", Name, primary_key=True),
    Column("parts", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Frames by how long their answer took: more than the next lower edge of serving.hourly.LATENCIES, and at most this. They
# stay when retention removes the inspection.
hourly_latencies = Table(
    "hourly_latencies",
    metadata,
    Column("hour", Utc, primary_key=True),
    Column("line", Name, primary_key=True),
    Column("up_to_ms", Float, primary_key=True),
    Column("frames", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# As the hourly tables, of half-hours, since shifts change at them: what figures for a line, station, product, lot, shift or
# model are counted from. Migrations 0015 and 0020 made the triggers; serving.tallies reads it. `model_version` is empty where no
# model decided. The counts are of frames that are no challenge: passed ones that are no audit by score band, flagged ones by
# verdict.
tallies = Table(
    "tallies",
    metadata,
    Column("slot", Utc, primary_key=True),
    *(Column(name, Name, primary_key=True) for name in ("line", "station", "product", "lot", "model_version")),
    # Of all frames; a row deleted by hand, which leaves no tombstone, leaves these as they are.
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
    *(
        Column(name, Integer, nullable=False, server_default=text("0"))
        for name in (
            *BANDED,
            # Confirmed defective though nobody drew them.
            "passed_known",
            # Also in their band.
            "passed_accepted",
            *(name for names in FLAGGED.values() for name in names.values()),
            # Parts at a station, by the place of their first frame ever there; the first frame of each camera says how they did.
            "units",
            "units_failed",
            "units_waiting",
            "units_defective",
            # Reviews of the frames (challenges too) with seconds; and frames that anyone ever called defective or good.
            "timed",
            "judged",
        )
    ),
    Column("seconds", Float, nullable=False, server_default=text("0")),
    Column("squared_seconds", Float, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)

# Beside it, by kind: `defect_class`, confirmed frames that are no challenge by their class; `reviewer`, reviews that called a
# frame defective or good by their author.
tallies_by_name = Table(
    "tallies_by_name",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("slot", Utc, primary_key=True),
    *(Column(name, Name, primary_key=True) for name in ("line", "station", "product", "lot", "model_version", "name")),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Frames whose reviews say something of agreement: two people called them, or one did blind, or an audit or challenge did.
compared = Table(
    "compared",
    metadata,
    Column("inspection_id", Id, primary_key=True),
    Column("received_at", Utc, nullable=False, index=True),
)

# Of every frame that anyone called good or defective, the first call, in the order of the frames. Migration 0023 made the
# triggers; serving.bias reads it.
first_calls = Table(
    "first_calls",
    metadata,
    Column("received_at", Utc, primary_key=True),
    Column("inspection_id", Id, primary_key=True),
    *(Column(name, Name, nullable=False) for name in ("line", "station", "product", "lot")),
    Column("model_version", Name),
    Column("verdict", String(16), nullable=False),
    Column("audit", String(16)),
    Column("reviewer", Name, nullable=False),
    Column("defective", Boolean, nullable=False),
    Column("blind", Boolean, nullable=False),
    Column("seconds", Float),
    sqlite_with_rowid=False,
)

reviews = Table(
    "reviews",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("client_id", Id, nullable=False, unique=True),
    # Of `inspections`, or of `tombstones` once retention has removed the row: a review outlives what it judged.
    Column("inspection_id", Id, nullable=False),
    Column("decision", String(24)),
    Column("defect_class", Name),
    Column("note", Text, nullable=False),
    Column("reviewer", Name, nullable=False),
    Column("seconds", Float),
    Column("blind", Boolean),
    Column("decided_at", Utc, nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("supersedes", Id),
    # As data.box.Box writes them.
    Column("boxes", JSON, nullable=False, server_default="[]"),
    Index(None, "inspection_id", "sequence"),
    Index(None, "received_at", "decision", "seconds"),
    Index(None, "seconds"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("name", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("previous_name", Name),
    Column("previous_version", Name),
    Column("reason", Text, nullable=False),
    Column("person", Name, nullable=False),
    Column("promoted_at", Utc, nullable=False),
    Column("kind", String(16), nullable=False, server_default="PROMOTED"),
    # What spoke against a forced promotion, a sentence each.
    Column("overruled", JSON, nullable=False, server_default="[]"),
    # The recipe that it is for; null where it decides wherever no recipe has a model of its own.
    Column("product", Name),
    Column("station", Name),
)

# Which thresholds people set, for a recipe or wherever none has its own; of several the last counts, until a promotion.
threshold_changes = Table(
    "threshold_changes",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("product", Name),
    Column("station", Name),
    Column("model_name", Name, nullable=False),
    Column("model_version", Name, nullable=False),
    # Which promotion it follows; 0 before the first.
    Column("promotion", Integer, nullable=False),
    Column("old_pass_below", Float, nullable=False),
    Column("old_reject_from", Float, nullable=False),
    Column("pass_below", Float, nullable=False),
    Column("reject_from", Float, nullable=False),
    Column("guaranteed", Boolean, nullable=False),
    Column("person", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_at", Utc, nullable=False),
    Index(None, "product", "station", "sequence"),
)

# One row for each time the server ran, so that the next start knows what a crash may have left. `settled_at` changes while
# it runs: every image put before then has its row. `ended_at` is null until it stops as told.
runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("started_at", Utc, nullable=False),
    Column("settled_at", Utc, nullable=False),
    Column("ended_at", Utc),
    # What start-up found of the run before and did about it, as serving.repair.Report.
    Column("repaired", JSON),
    Index(None, "ended_at"),
)

# The trail of serving.audit. `previous` is unique, so that the chain cannot fork.
audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("person", Name, nullable=False),
    Column("old", JSON),
    Column("new", JSON),
    Column("reason", Text, nullable=False),
    Column("previous", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
    # Both, or `audit verify` would look through every entry of an action for each row that it tells of.
    Index(None, "subject", "action"),
    Index(None, "action", "sequence"),
    Index(None, "person", "sequence"),
    Index(None, "at", "sequence"),
)

# What remains of an inspection whose row retention removed: enough that figures over the past stay what they were.
tombstones = Table(
    "tombstones",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_at", Utc, nullable=False),
    Column("product", Name, nullable=False),
    Column("line", Name, nullable=False),
    Column("station", Name, nullable=False),
    Column("camera", Name, nullable=False),
    Column("part_id", Name, nullable=False),
    Column("lot", Name, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("decision", String(24)),
    Column("class_name", Name),
    Column("review_id", Id),
    Column("model_version", Name),
    Column("audit", String(16)),
    Column("audit_band", Integer),
    Column("audit_probability", Float),
    Column("removed_at", Utc, nullable=False),
    Column("rule", String(32), nullable=False),
    # The sequence of the audit entry that tells of it.
    Column("batch", Integer, nullable=False),
    Index(None, "received_at", "line", "verdict", "decision"),
    Index(None, "part_id", "line", "received_at"),
    Index("ix_tombstones_views", *_VIEW, sqlite_where=_PRODUCTION, postgresql_where=_PRODUCTION),
    Index(None, "batch"),
)

# Legal holds: what they name is not removed until they are lifted. The last three columns change, once.
holds = Table(
    "holds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("part_id", Name),
    Column("lot", Name),
    Column("since", Utc),
    Column("until", Utc),
    Column("reason", Text, nullable=False),
    Column("person", Name, nullable=False),
    Column("set_at", Utc, nullable=False),
    Column("lifted_at", Utc),
    Column("lifted_by", Name),
    Column("lift_reason", Text),
    Index(None, "lifted_at"),
)

# Lines put on hold: parts are kept, whatever the verdict. The last three columns change, once.
line_holds = Table(
    "line_holds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("person", Name, nullable=False),
    Column("held_at", Utc, nullable=False),
    Column("released_at", Utc),
    Column("released_by", Name),
    Column("release_reason", Text),
    Index(None, "held_at"),
    # A line has one hold in force at most.
    Index(
        "ix_line_holds_in_force",
        "line",
        unique=True,
        sqlite_where=text("released_at IS NULL"),
        postgresql_where=text("released_at IS NULL"),
    ),
)

# Images that a row gave up and whose file is to go; kept in the row's own transaction, so that a crash forgets none.
departing_images = Table(
    "departing_images",
    metadata,
    Column("sha256", String(64), primary_key=True),
)

# `password_hash` is null for a person who comes by OIDC only, whom `oidc_subject` (issuer and subject) names.
people = Table(
    "people",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(256)),
    Column("must_change_password", Boolean, nullable=False),
    Column("oidc_subject", String(512), unique=True),
    Column("created_at", Utc, nullable=False),
    Column("disabled_at", Utc),
)

# A row goes when its session ends. Like a key's secret, the token itself is kept nowhere.
sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id"), nullable=False, index=True),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("last_seen_at", Utc, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("role", String(16), nullable=False),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    # Requests a second; null is without limit.
    Column("rate_limit", Float),
    Column("created_at", Utc, nullable=False),
    Column("revoked_at", Utc),
    Column("last_used_at", Utc),
    Index(None, "name"),
)

# cleared_at, the three of the acknowledgement and the two of the webhook are written later, once each.
alarms = Table(
    "alarms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("line", Name, nullable=False),
    Column("station", Name, nullable=False),
    Column("camera", Name, nullable=False),
    Column("fault", String(16)),
    Column("reason", Text, nullable=False),
    Column("inspection_id", Id, nullable=False),
    Column("raised_at", Utc, nullable=False),
    Column("cleared_at", Utc),
    Column("acknowledged_at", Utc),
    Column("acknowledged_by", Name),
    Column("acknowledgement", Text),
    # When the webhook took the message that it was raised, and that it was cleared.
    Column("raised_told_at", Utc),
    Column("cleared_told_at", Utc),
    Index(None, "cleared_at", "raised_at"),
)

# The first frames of a camera after a promotion, as data.drift.Sample writes them.
drift_references = Table(
    "drift_references",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("line", Name, nullable=False),
    Column("station", Name, nullable=False),
    Column("camera", Name, nullable=False),
    Column("model_name", Name, nullable=False),
    Column("model_version", Name, nullable=False),
    # Which promotion it follows; 0 before the first.
    Column("promotion", Integer, nullable=False),
    Column("ended_at", Utc, nullable=False),
    Column("sample", LargeBinary, nullable=False),
)

drift_windows = Table(
    "drift_windows",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("line", Name, nullable=False),
    Column("station", Name, nullable=False),
    Column("camera", Name, nullable=False),
    Column("model_name", Name, nullable=False),
    Column("model_version", Name, nullable=False),
    Column("ended_at", Utc, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("checks", JSON, nullable=False),
    Column("histogram", JSON),
    Column("typical", JSON, nullable=False),
    Column("unusual", JSON, nullable=False),
    Index(None, "line", "station", "camera", "sequence"),
)

# ended_at is written later, once.
shadows = Table(
    "shadows",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("name", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("person", Name, nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("ended_at", Utc),
)

shadow_inspections = Table(
    "shadow_inspections",
    metadata,
    Column("shadow", Integer, ForeignKey("shadows.sequence"), primary_key=True, autoincrement=False),
    Column("inspection_id", Id, ForeignKey("inspections.id"), primary_key=True),
    Column("model_name", Name, nullable=False),
    Column("model_version", Name, nullable=False),
    Column("defect_probability", Float, nullable=False),
    Column("novelty", Float),
    # The deciding model's, which no one changes: comparing the two needs no look at millions of inspections.
    Column("active_verdict", String(16), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("latency_ms", Float, nullable=False),
    Index(None, "shadow", "active_verdict", "verdict"),
    Index(None, "shadow", "latency_ms"),
    # Else removing one inspection would look through all of these.
    Index(None, "inspection_id"),
)
Index(
    "ix_shadow_inspections_differing",
    shadow_inspections.c.shadow,
    shadow_inspections.c.inspection_id,
    sqlite_where=shadow_inspections.c.verdict != shadow_inspections.c.active_verdict,
    postgresql_where=shadow_inspections.c.verdict != shadow_inspections.c.active_verdict,
)

# Every version of every number that the return on investment assumes; serving.assumptions.
assumptions = Table(
    "assumptions",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    # One a change; the numbers that came from the file together share one.
    Column("version", Integer, nullable=False),
    Column("key", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("value", Float, nullable=False),
    Column("unit", JSON, nullable=False),
    Column("source", JSON, nullable=False),
    Column("author", Name, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("spread", JSON(none_as_null=True)),
    Column("person", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_at", Utc, nullable=False),
    Index(None, "key", "sequence"),
    Index(None, "version"),
)

# Counts from outside or from before this system, a row for a line, product and day; of several, the last batch counts.
history = Table(
    "history",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("batch", Integer, nullable=False),
    # Of the plant, as 2026-03-02.
    Column("day", String(10), nullable=False),
    Column("line", Name, nullable=False),
    Column("product", Name, nullable=False),
    Column("inspected", Integer, nullable=False),
    Column("flagged", Integer),
    Column("false_calls", Integer),
    Column("confirmed", Integer),
    Column("audited", Integer),
    Column("audit_defects", Integer),
    Column("escapes", Integer),
    Column("inspector_seconds", Float),
    Index(None, "day", "line", "product"),
    Index(None, "batch"),
)

# Frozen periods, with the counts that they had when they were frozen.
baselines = Table(
    "baselines",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("since", Utc, nullable=False),
    Column("until", Utc, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("person", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("frozen_at", Utc, nullable=False),
)

# From which day of the plant on the system decides on a line; of several for one line, the last counts.
rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line", Name, nullable=False),
    Column("day", String(10), nullable=False),
    Column("person", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_at", Utc, nullable=False),
    Index(None, "line", "set_at"),
)

# What is tracked and never summed into money, as it was imported.
kpis = Table(
    "kpis",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("batch", Integer, nullable=False),
    Column("key", String(64), nullable=False),
    Column("day", String(10), nullable=False),
    Column("value", Float, nullable=False),
    Column("n", Integer),
    Column("source", Text, nullable=False),
    Index(None, "key", "day"),
    Index(None, "batch"),
)

for _table in (inspections, tombstones):
    Index(
        f"ix_{_table.name}_audit",
        _table.c.audit,
        _table.c.received_at,
        sqlite_where=_table.c.audit.is_not(None),
        postgresql_where=_table.c.audit.is_not(None),
    )
Index(
    "ix_inspections_choices",
    inspections.c.line,
    inspections.c.station,
    inspections.c.lot,
    inspections.c.class_name,
    sqlite_where=inspections.c.queue_cost.is_not(None),
    postgresql_where=inspections.c.queue_cost.is_not(None),
)

# Parts put on the line on purpose, whose truth is known. What is said of a part may be corrected.
challenges = Table(
    "challenges",
    metadata,
    Column("part_id", Name, primary_key=True),
    Column("defective", Boolean, nullable=False),
    Column("defect_class", Name),
    Column("note", Text, nullable=False),
    Column("person", Name, nullable=False),
    Column("registered_at", Utc, nullable=False),
)

# Parts found defective after they were shipped; each part once.
field_returns = Table(
    "field_returns",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("part_id", Name, nullable=False, unique=True),
    Column("found_at", Utc, nullable=False),
    Column("defect_class", Name),
    # In the currency of the plant's costs.
    Column("cost", Float),
    Column("note", Text, nullable=False),
    Column("person", Name, nullable=False),
    Column("registered_at", Utc, nullable=False),
    Index(None, "found_at"),
)

# Points of control charts: consecutive frames of one camera, product and model. The first ones of a model are its baseline.
spc_points = Table(
    "spc_points",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("line", Name, nullable=False),
    Column("station", Name, nullable=False),
    Column("camera", Name, nullable=False),
    Column("product", Name, nullable=False),
    Column("model_name", Name, nullable=False),
    Column("model_version", Name, nullable=False),
    # Of thresholds, in force for all frames of the point; null for the model's own.
    Column("threshold_change", Integer),
    Column("started_at", Utc, nullable=False),
    Column("ended_at", Utc, nullable=False),
    Column("n", Integer, nullable=False),
    Column("flagged", Integer, nullable=False),
    # Regions in flagged frames, at least one each.
    Column("defects", Integer, nullable=False),
    Index(None, "line", "station", "camera", "product", "model_version", "sequence"),
)

# Planned studies of agreement: parts whose truth is known, looked at by several people several times.
studies = Table(
    "studies",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    # Whether people saw what the model said: StudyKind.
    Column("kind", String(16), nullable=False, server_default="ALONE"),
    Column("people", JSON, nullable=False),
    Column("trials", Integer, nullable=False),
    Column("person", Name, nullable=False),
    Column("created_at", Utc, nullable=False),
)

study_parts = Table(
    "study_parts",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("inspection_id", Id, nullable=False),
    Column("defective", Boolean, nullable=False),
    # What the model said: whether it flagged the frame.
    Column("flagged", Boolean, nullable=False),
)

study_answers = Table(
    "study_answers",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True),
    Column("person", Name, primary_key=True),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("defective", Boolean, nullable=False),
    Column("aided", Boolean, nullable=False, server_default=false()),
    Column("seconds", Float),
    Column("answered_at", Utc, nullable=False),
)

RECORDED = (inspections, tombstones)
"""Every inspection there ever was: what retention removed still counts, so that figures over the past stay what they were."""
