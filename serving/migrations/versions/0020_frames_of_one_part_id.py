"""what a frame changes of its part is found by index, however many frames have its part_id

A reader that could not read a code sends the same part_id over and over; every frame, review and deletion then went through
all frames of it before. Of a part at a station only the first frame of each camera counts (0015), of a part on a line only the
first of all (0009): whether a frame is one of these takes one look into an index, and all others leave the part as it is. The
figures are the same as before. Where a first frame itself changes (a camera sees the part_id for the first time, a person decides
about that frame), the index of the part is walked, 0.6 us a frame.
SQLite forgets the triggers of a table that `batch_alter_table` makes anew: a later migration that does so must make them again.
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_hourly = import_module("serving.migrations.versions.0009_hourly_figures")
_tallies = import_module("serving.migrations.versions.0015_tallies")

_Trigger = tuple[str, str, str, str, list[str]]

_PRODUCTION = "coalesce({}audit, '') <> 'CHALLENGE'"
_UNIT = ("part_id", "product", "station")


def upgrade() -> None:
    for table in ("inspections", "tombstones"):
        op.create_index(f"ix_{table}_part_id_line_received_at", table, ["part_id", "line", "received_at"])
        production = sa.text(_PRODUCTION.format(""))
        op.create_index(
            f"ix_{table}_views",
            table,
            [*_UNIT, "camera", "received_at", "id"],
            sqlite_where=production,
            postgresql_where=production,
        )
    op.drop_index("ix_tombstones_part_id", "tombstones")
    for trigger in (*_hourly_before(), *_tallies_before()):
        _drop(trigger)
    for trigger in _triggers():
        _tallies._make_trigger(*trigger)


def downgrade() -> None:
    for trigger in _triggers():
        _drop(trigger)
    for trigger in _hourly_before():
        _hourly._make_trigger(*trigger)
    for trigger in _tallies_before():
        _tallies._make_trigger(*trigger)
    op.create_index("ix_tombstones_part_id", "tombstones", ["part_id"])
    for table in ("inspections", "tombstones"):
        op.drop_index(f"ix_{table}_part_id_line_received_at", table)
        op.drop_index(f"ix_{table}_views", table)


def _hourly_before() -> list[_Trigger]:
    return [trigger for trigger in _hourly._triggers() if trigger[0] == "inspection_arrives"]


def _tallies_before() -> list[_Trigger]:
    as_they_are = ("inspection_is_tallied", "review_is_tallied")
    return [trigger for trigger in _tallies._triggers() if trigger[0] not in as_they_are]


def _drop(trigger: _Trigger) -> None:
    name, _, table, _, _ = trigger
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {name}")
    else:
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(f"DROP FUNCTION {name}()")


def _triggers() -> list[_Trigger]:
    ((arrives, event, table, condition, (count, _, _, latency)),) = _hourly_before()
    before = {name: condition for name, _, _, condition, _ in _tallies_before()}
    changed = before["inspection_is_tallied_anew"]
    joins = before["inspection_joins_a_part"]
    frame, decided = _tallies._frame, "BEFORE UPDATE OF decision, review_id"
    comes = [_unit_of("NEW", -1), _unit_of("NEW", 1, plus="NEW")]
    return [
        (arrives, event, table, condition, [count, *_count_part(), latency]),
        (
            "inspection_joins_a_part",
            "BEFORE INSERT",
            "inspections",
            f"{_is_first('NEW', 'inspections')} AND {joins}",
            comes,
        ),
        ("inspection_is_tallied_anew", decided, "inspections", changed, [*frame("OLD", -1), *frame("NEW", 1)]),
        (
            "inspection_changes_its_part",
            decided,
            "inspections",
            f"({changed}) AND {_is_first('OLD', 'inspections')}",
            [_unit_of("OLD", -1), _unit_of("OLD", 1, except_for="OLD", plus="NEW")],
        ),
        ("inspection_is_taken_off", "BEFORE DELETE", "inspections", "", frame("OLD", -1, with_reviews=True)),
        (
            "inspection_leaves_its_part",
            "BEFORE DELETE",
            "inspections",
            _is_first("OLD", "inspections"),
            [_unit_of("OLD", -1), _unit_of("OLD", 1, except_for="OLD")],
        ),
        ("tombstone_is_tallied", "BEFORE INSERT", "tombstones", "", frame("NEW", 1, with_reviews=True)),
        ("tombstone_joins_a_part", "BEFORE INSERT", "tombstones", _is_first("NEW", "tombstones"), comes),
    ]


def _count_part() -> list[str]:
    """As in 0009; the smallest of two, each of which the index tells by itself."""
    times = "SELECT min(received_at) AS at FROM {} WHERE part_id = NEW.part_id AND line = NEW.line"
    both = " UNION ALL ".join(times.format(table) for table in ("inspections", "tombstones"))
    first = f"(SELECT min(other.at) FROM ({both}) AS other)"
    hour = _hourly._hour("NEW")
    return [
        f"UPDATE hourly_parts SET parts = parts - 1 WHERE line = NEW.line AND {first} > NEW.received_at "
        f"AND hour = {first} - {first} % {_hourly._HOUR}",
        f"INSERT INTO hourly_parts (hour, line, parts) SELECT {hour}, NEW.line, 1 "
        f"WHERE coalesce({first}, NEW.received_at + 1) > NEW.received_at "
        f"ON CONFLICT (hour, line) DO UPDATE SET parts = hourly_parts.parts + 1",
    ]


def _is_first(row: str, its_table: str) -> str:
    """No challenge, and nothing of its camera came before of the part at the station. In the other table its own id counts too:
    while retention turns an inspection into a tombstone there are both, and neither changes anything.
    """
    same = _same(row, "o.", "camera")
    earlier = [
        f"EXISTS (SELECT 1 FROM {table} AS o WHERE {same} AND o.received_at <= {row}.received_at "
        f"AND (o.received_at < {row}.received_at OR o.id {'<' if table == its_table else '<='} {row}.id))"
        for table in ("inspections", "tombstones")
    ]
    return " AND NOT ".join((_PRODUCTION.format(f"{row}."), *earlier))


def _unit_of(row: str, by: int, except_for: str | None = None, plus: str | None = None) -> str:
    """As in 0015, of the first frames of each camera alone: no other counts."""
    frames = " UNION ALL ".join(
        (
            _firsts("inspections", row, "" if except_for is None else f"{{}}id <> {except_for}.id AND "),
            _firsts("tombstones", row, ""),
            *([] if plus is None else [f"SELECT {', '.join(f'{plus}.{name}' for name in _tallies._FRAME)}"]),
        )
    )
    counts = dict(zip(_tallies._UNITS, ("1", "u.failed", _tallies._WAITING, "u.defective"), strict=True))
    each = {name: f"{by} * {value}" for name, value in counts.items()}
    unit: str = _tallies._add(f"({_tallies._units(frames)}) AS u", each, "u")
    return unit


def _firsts(table: str, row: str, others: str) -> str:
    columns = ", ".join(f"f.{name}" for name in _tallies._FRAME)
    return (
        f"SELECT {columns} FROM (SELECT camera, min(received_at) AS at FROM {table} WHERE {others.format('')}{_same(row)} "
        f"GROUP BY camera) AS v JOIN {table} AS f ON f.camera = v.camera AND f.received_at = v.at "
        f"AND {others.format('f.')}{_same(row, 'f.')}"
    )


def _same(row: str, alias: str = "", *more: str) -> str:
    unit = (f"{alias}{name} = {row}.{name}" for name in (*_UNIT, *more))
    return " AND ".join((*unit, _PRODUCTION.format(alias)))
