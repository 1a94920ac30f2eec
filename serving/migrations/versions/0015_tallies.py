"""what frames, parts and reviews come to in each half-hour, kept by triggers; what agreement is asked of; an index for choices

As in 0009: triggers, so that it holds whoever writes. Those on inspections and tombstones come before the row is there, for a
part at a station counts by the first frame of each of its cameras: they take away what its frames came to and add what they
come to with this one. (In PostgreSQL only such triggers see the other rows of one statement.)
SQLite forgets the triggers of a table that `batch_alter_table` makes anew: a later migration that does so must make them again.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SLOT = 1_800_000_000
_BANDS = 4
_DIMENSIONS = ("slot", "line", "station", "product", "lot", "model_version")
_FLAGGED = ("REVIEW", "REJECT", "NO_DECISION")
_OUTCOMES = {
    "open": "NOT IN ('DEFECT_CONFIRMED', 'FALSE_CALL', 'DEFECT_ACCEPTED')",
    "confirmed": "= 'DEFECT_CONFIRMED'",
    "false_call": "= 'FALSE_CALL'",
    "accepted": "= 'DEFECT_ACCEPTED'",
}
_PASSED = [f"passed_band_{band}" for band in range(_BANDS)] + ["passed_unbanded", "passed_known", "passed_accepted"]
_OF_FLAGGED = [f"{verdict.lower()}_{outcome}" for verdict in _FLAGGED for outcome in _OUTCOMES]
_UNITS = ["units", "units_failed", "units_waiting", "units_defective"]
_EFFORT = ["timed", "seconds", "squared_seconds", "judged"]
# What is known to be defective waits for nobody.
_WAITING = "u.waiting * (1 - u.defective)"
_REALS = ("seconds", "squared_seconds")

_FRAME = (
    *("id", "received_at", "line", "station", "product", "lot", "camera", "part_id", "model_version", "verdict"),
    *("decision", "class_name", "review_id", "audit", "audit_band"),
)
_JUDGED = "decision IN ('DEFECT_CONFIRMED', 'FALSE_CALL')"


def upgrade() -> None:
    _make_tables()
    _count_what_is_there()
    for name, event, table, condition, statements in _triggers():
        _make_trigger(name, event, table, condition, statements)
    op.create_index(
        "ix_tombstones_audit",
        "tombstones",
        ["audit", "received_at"],
        sqlite_where=sa.text("audit IS NOT NULL"),
        postgresql_where=sa.text("audit IS NOT NULL"),
    )
    op.create_index(
        "ix_inspections_choices",
        "inspections",
        ["line", "station", "lot", "class_name"],
        sqlite_where=sa.text("queue_cost IS NOT NULL"),
        postgresql_where=sa.text("queue_cost IS NOT NULL"),
    )


def downgrade() -> None:
    for name, _, table, _, _ in _triggers():
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
    op.drop_index("ix_inspections_choices", "inspections")
    op.drop_index("ix_tombstones_audit", "tombstones")
    for table in ("tallies", "tallies_by_name", "compared"):
        op.drop_table(table)


def _dimensions() -> list[sa.Column[Any]]:
    names: list[sa.Column[Any]] = [sa.Column(name, sa.String(length=128), nullable=False) for name in _DIMENSIONS[1:]]
    return [sa.Column("slot", serving.tables.Utc(), nullable=False), *names]


def _make_tables() -> None:
    op.create_table(
        "tallies",
        *_dimensions(),
        sa.Column("first_at", serving.tables.Utc(), nullable=False),
        sa.Column("last_at", serving.tables.Utc(), nullable=False),
        *(
            sa.Column(name, sa.Float() if name in _REALS else sa.Integer(), nullable=False, server_default=sa.text("0"))
            for name in (*_PASSED, *_OF_FLAGGED, *_UNITS, *_EFFORT)
        ),
        sa.PrimaryKeyConstraint(*_DIMENSIONS, name=op.f("pk_tallies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tallies_by_name",
        *_dimensions(),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", *_DIMENSIONS, "name", name=op.f("pk_tallies_by_name")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "compared",
        sa.Column("inspection_id", sa.String(length=36), nullable=False),
        sa.Column("received_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("inspection_id", name=op.f("pk_compared")),
    )
    op.create_index(op.f("ix_compared_received_at"), "compared", ["received_at"])


def _count_what_is_there() -> None:
    frames = _recorded("WHERE true")
    op.execute(_add(f"({frames}) AS f", {**_cells("f"), **_effort("f")}, "f", group=True))
    unit = _units(frames)
    op.execute(
        _add(
            f"({unit}) AS u",
            dict(zip(_UNITS, ("1", "u.failed", _WAITING, "u.defective"), strict=True)),
            "u",
            group=True,
        )
    )
    for kind, name, condition, source in (
        ("defect_class", _class("f"), _is_confirmed("f"), f"({frames}) AS f"),
        ("reviewer", "r.reviewer", f"r.{_JUDGED}", f"({frames}) AS f JOIN reviews AS r ON r.inspection_id = f.id"),
    ):
        op.execute(_add_name(kind, name, source, condition, "f", "count(*)", group=True))
    op.execute(
        f"INSERT INTO compared (inspection_id, received_at) SELECT f.id, f.received_at FROM ({frames}) AS f "
        f"WHERE {_compared('f')}"
    )


def _triggers() -> list[tuple[str, str, str, str, list[str]]]:
    changed = " OR ".join(f"coalesce(OLD.{one}, '') <> coalesce(NEW.{one}, '')" for one in ("decision", "review_id"))
    frame_comes = _add("", _cells("NEW") | _first("NEW"), "NEW")
    class_comes = _add_name("defect_class", _class("NEW"), "", _is_confirmed("NEW"), "NEW", "1")
    part_gains = [_unit_of("NEW", -1, except_for=None, plus=None), _unit_of("NEW", 1, except_for=None, plus="NEW")]
    goes = [
        *_frame("OLD", -1, with_reviews=True),
        _unit_of("OLD", -1, except_for=None, plus=None),
        _unit_of("OLD", 1, except_for="OLD", plus=None),
    ]
    judged = [
        *_frame("OLD", -1),
        *_frame("NEW", 1),
        _unit_of("OLD", -1, except_for=None, plus=None),
        _unit_of("OLD", 1, except_for="OLD", plus="NEW"),
    ]
    return [
        ("inspection_is_tallied", "BEFORE INSERT", "inspections", "", [frame_comes, class_comes]),
        ("inspection_joins_a_part", "BEFORE INSERT", "inspections", _changes_part("NEW"), part_gains),
        ("inspection_is_tallied_anew", "BEFORE UPDATE OF decision, review_id", "inspections", changed, judged),
        ("inspection_is_taken_off", "BEFORE DELETE", "inspections", "", goes),
        (
            "tombstone_is_tallied",
            "BEFORE INSERT",
            "tombstones",
            "",
            [*_frame("NEW", 1, with_reviews=True), *part_gains],
        ),
        ("review_is_tallied", "BEFORE INSERT", "reviews", "", _review()),
    ]


def _make_trigger(name: str, event: str, table: str, condition: str, statements: list[str]) -> None:
    body = "; ".join(statements)
    if op.get_bind().dialect.name == "sqlite":
        when = f"WHEN {condition}" if condition else ""
        op.execute(f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW {when} BEGIN {body}; END")
        return
    # PostgreSQL's own WHEN takes no subqueries.
    body = f"IF {condition} THEN {body}; END IF" if condition else body
    answer = "OLD" if "DELETE" in event else "NEW"
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN {answer}; END $$")
    op.execute(f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")


def _frame(row: str, by: int, with_reviews: bool = False) -> list[str]:
    """A frame's own counts, and those of its reviews where it takes them with it; a new frame has none yet."""
    counts = _cells(row) | (_effort(row) if with_reviews else {})
    statements = [
        _add("", {name: f"{by} * {value}" for name, value in counts.items()}, row),
        _add_name("defect_class", _class(row), "", _is_confirmed(row), row, f"{by}"),
    ]
    if not with_reviews:
        return statements
    calls = f"FROM reviews WHERE inspection_id = {row}.id AND {_JUDGED}"
    reviewers = f"(SELECT reviewer, count(*) AS n {calls} GROUP BY reviewer) AS r"
    compared = (
        f"INSERT INTO compared (inspection_id, received_at) SELECT {row}.id, {row}.received_at WHERE {_compared(row)} "
        "ON CONFLICT (inspection_id) DO NOTHING"
        if by > 0
        else f"DELETE FROM compared WHERE inspection_id = {row}.id "
        f"AND NOT EXISTS (SELECT 1 FROM tombstones WHERE id = {row}.id)"
    )
    return [*statements, _add_name("reviewer", "r.reviewer", reviewers, "true", row, f"{by} * r.n"), compared]


def _review() -> list[str]:
    """A review counts where its frame does."""
    frame = f"({_recorded('WHERE id = NEW.inspection_id')}) AS f"
    judged = f"NEW.{_JUDGED}"
    first = f"NOT EXISTS (SELECT 1 FROM reviews AS o WHERE o.inspection_id = NEW.inspection_id AND o.{_JUDGED})"
    other = (
        f"EXISTS (SELECT 1 FROM reviews AS o WHERE o.inspection_id = NEW.inspection_id AND o.{_JUDGED} "
        "AND o.reviewer <> NEW.reviewer)"
    )
    effort = {
        "timed": _one("NEW.seconds IS NOT NULL"),
        "seconds": "coalesce(NEW.seconds, 0)",
        "squared_seconds": "coalesce(NEW.seconds * NEW.seconds, 0)",
        "judged": _one(f"{judged} AND {first}"),
    }
    return [
        _add(frame, effort, "f"),
        _add_name("reviewer", "NEW.reviewer", frame, judged, "f", "1"),
        f"INSERT INTO compared (inspection_id, received_at) SELECT f.id, f.received_at FROM {frame} "
        f"WHERE {judged} AND (coalesce(NEW.blind, false) OR f.audit IS NOT NULL OR {other}) "
        "ON CONFLICT (inspection_id) DO NOTHING",
    ]


def _add(source: str, counts: dict[str, str], row: str, group: bool = False) -> str:
    """Add `counts` to the tally of `row`; of many rows at once with `group`."""
    at = f"{row}.received_at"
    wrap = "sum({})" if group else "{}"
    named = ", ".join(counts)
    values = ", ".join(wrap.format(value) for value in counts.values())
    first, last = (f"min({at})", f"max({at})") if group else (at, at)
    sums = ", ".join(f"{name} = tallies.{name} + excluded.{name}" for name in counts)
    ends = ", ".join(
        f"{name} = CASE WHEN excluded.{name} {sign} tallies.{name} THEN excluded.{name} ELSE tallies.{name} END"
        for name, sign in (("first_at", "<"), ("last_at", ">"))
    )
    return (
        f"INSERT INTO tallies ({', '.join(_DIMENSIONS)}, first_at, last_at, {named}) "
        f"SELECT {_place(row)}, {first}, {last}, {values} {f'FROM {source}' if source else ''} WHERE true "
        f"{'GROUP BY 1, 2, 3, 4, 5, 6' if group else ''} "
        f"ON CONFLICT ({', '.join(_DIMENSIONS)}) DO UPDATE SET {ends}, {sums}"
    )


def _add_name(kind: str, name: str, source: str, condition: str, row: str, n: str, group: bool = False) -> str:
    return (
        f"INSERT INTO tallies_by_name (kind, {', '.join(_DIMENSIONS)}, name, n) "
        f"SELECT '{kind}', {_place(row)}, {name}, {n} {f'FROM {source}' if source else ''} WHERE {condition} "
        f"{'GROUP BY 1, 2, 3, 4, 5, 6, 7, 8' if group else ''} "
        f"ON CONFLICT (kind, {', '.join(_DIMENSIONS)}, name) DO UPDATE SET n = tallies_by_name.n + excluded.n"
    )


def _place(row: str) -> str:
    named = ", ".join(f"{row}.{name}" for name in _DIMENSIONS[1:-1])
    return f"{row}.received_at - {row}.received_at % {_SLOT}, {named}, coalesce({row}.model_version, '')"


def _cells(row: str) -> dict[str, str]:
    """Of a frame that is no challenge, by verdict, score band and the review that stands; audits of passed ones not at all."""
    decision = f"coalesce({row}.decision, '')"
    counted = f"coalesce({row}.audit, '') <> 'CHALLENGE'"
    passed = f"{row}.verdict = 'PASS' AND {row}.audit IS NULL"
    unknown = f"{passed} AND {decision} <> 'DEFECT_CONFIRMED'"
    cells = {f"passed_band_{band}": f"{unknown} AND {row}.audit_band = {band}" for band in range(_BANDS)}
    cells |= {
        "passed_unbanded": f"{unknown} AND ({row}.audit_band IS NULL OR {row}.audit_band >= {_BANDS})",
        "passed_known": f"{passed} AND {decision} = 'DEFECT_CONFIRMED'",
        "passed_accepted": f"{passed} AND {decision} = 'DEFECT_ACCEPTED'",
    }
    for verdict in _FLAGGED:
        for outcome, is_it in _OUTCOMES.items():
            cells[f"{verdict.lower()}_{outcome}"] = f"{row}.verdict = '{verdict}' AND {counted} AND {decision} {is_it}"
    return {name: _one(condition) for name, condition in cells.items()}


def _first(row: str) -> dict[str, str]:
    """The part itself, where this is the first that is seen of it: most frames, and those of one camera all, cost no more."""
    decision, passed = f"coalesce({row}.decision, 'UNSURE')", f"{row}.verdict = 'PASS'"
    first = f"coalesce({row}.audit, '') <> 'CHALLENGE' AND NOT {_others(row)}"
    flags = {
        "units": "true",
        "units_failed": _fails(passed, decision),
        "units_waiting": _waits(passed, decision),
        "units_defective": f"{decision} = 'DEFECT_CONFIRMED'",
    }
    return {name: _one(f"{is_it} AND {first}") for name, is_it in flags.items()}


def _others(row: str, more: str = "") -> str:
    same = " AND ".join(f"o.{name} = {row}.{name}" for name in ("part_id", "product", "station"))
    where = f"WHERE {same} AND coalesce(o.audit, '') <> 'CHALLENGE'{more}"
    return " OR ".join(f"EXISTS (SELECT 1 FROM {table} AS o {where})" for table in ("inspections", "tombstones")).join(
        "()"
    )


def _changes_part(row: str) -> str:
    """Not where it is all that is seen of the part, which _first counts, nor where it passed after all others came."""
    not_after = f" AND (o.received_at > {row}.received_at OR (o.received_at = {row}.received_at AND o.id > {row}.id))"
    plain = f"{row}.verdict = 'PASS' AND {row}.decision IS NULL"
    return f"{_others(row)} AND (NOT ({plain}) OR {_others(row, not_after)})"


def _fails(passed: str, decision: str) -> str:
    return f"NOT (({passed} AND {decision} = 'UNSURE') OR {decision} = 'FALSE_CALL')"


def _waits(passed: str, decision: str) -> str:
    return f"NOT ({passed}) AND {decision} = 'UNSURE'"


def _effort(row: str) -> dict[str, str]:
    """Of all reviews of a frame."""
    of = f"FROM reviews WHERE inspection_id = {row}.id"
    return {
        "timed": f"(SELECT count(seconds) {of})",
        "seconds": f"(SELECT coalesce(sum(seconds), 0) {of})",
        "squared_seconds": f"(SELECT coalesce(sum(seconds * seconds), 0) {of})",
        "judged": _one(f"EXISTS (SELECT 1 {of} AND {_JUDGED})"),
    }


def _compared(row: str) -> str:
    of = f"FROM reviews WHERE inspection_id = {row}.id AND {_JUDGED}"
    return (
        f"((SELECT count(DISTINCT reviewer) {of}) > 1 OR EXISTS (SELECT 1 {of} AND coalesce(blind, false)) "
        f"OR ({row}.audit IS NOT NULL AND EXISTS (SELECT 1 {of})))"
    )


def _is_confirmed(row: str) -> str:
    return f"{row}.decision = 'DEFECT_CONFIRMED' AND coalesce({row}.audit, '') <> 'CHALLENGE'"


def _class(row: str) -> str:
    named = f"(SELECT defect_class FROM reviews WHERE client_id = {row}.review_id)"
    return f"coalesce({named}, {row}.class_name, 'unnamed')"


def _unit_of(row: str, by: int, except_for: str | None, plus: str | None) -> str:
    """What the frames of a part at a station come to: those stored, without `except_for` and with `plus`."""
    same = " AND ".join(f"{name} = {row}.{name}" for name in ("part_id", "product", "station"))
    others = "" if except_for is None else f" AND id <> {except_for}.id"
    frames = _recorded(f"WHERE {same}", others)
    if plus is not None:
        frames += f" UNION ALL SELECT {', '.join(f'{plus}.{name}' for name in _FRAME)}"
    counts = dict(zip(_UNITS, ("1", "u.failed", _WAITING, "u.defective"), strict=True))
    return _add(f"({_units(frames)}) AS u", {name: f"{by} * {value}" for name, value in counts.items()}, "u")


def _units(frames: str) -> str:
    """A row for each part at a station, with the place of its first frame."""
    unit = "f.product, f.station, f.part_id"
    decision, passed = "coalesce(f.decision, 'UNSURE')", "f.verdict = 'PASS'"
    failed, waiting = _one(_fails(passed, decision)), _one(_waits(passed, decision))
    defective = _one(f"{decision} = 'DEFECT_CONFIRMED'")
    first_of_camera = (
        f"SELECT f.*, {failed} AS fails, {waiting} AS waits, {defective} AS is_defective, "
        f"row_number() OVER (PARTITION BY {unit}, f.camera ORDER BY f.received_at, f.id) AS nth FROM ({frames}) AS f "
        "WHERE coalesce(f.audit, '') <> 'CHALLENGE'"
    )
    most = ", ".join(
        f"max(f.{column}) OVER (PARTITION BY {unit}) AS {name}"
        for column, name in (("fails", "failed"), ("waits", "waiting"), ("is_defective", "defective"))
    )
    whole = (
        f"SELECT f.*, {most}, row_number() OVER (PARTITION BY {unit} ORDER BY f.received_at, f.id) AS place "
        f"FROM ({first_of_camera}) AS f WHERE f.nth = 1"
    )
    return f"SELECT f.* FROM ({whole}) AS f WHERE f.place = 1"


def _recorded(where: str, and_of_inspections: str = "") -> str:
    columns = ", ".join(_FRAME)
    inspections = f"SELECT {columns} FROM inspections {where}{and_of_inspections}"
    return f"{inspections} UNION ALL SELECT {columns} FROM tombstones {where}"


def _one(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"
