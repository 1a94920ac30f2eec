"""what a new frame costs in the triggers that count it: the same figures in a quarter of the time

PostgreSQL planned each of their statements anew for every frame, which took longer than to carry them out; now each is planned
once, and what was asked several times is kept in a variable.
SQLite first copied every page that the frame's statement changes, lest it fail half-way: it does so for any statement with
triggers in which something may abort. serving.store inserts with OR FAIL and takes back itself what failed; and here a row is
made, unless it is there, and then updated: an upsert's update aborts, whatever the statement says, and an INSERT ... SELECT is
taken for one of many rows, after which SQLite looks for foreign keys that could abort.
SQLite forgets the triggers of a table that `batch_alter_table` makes anew: a later migration that does so must make them again.
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_hourly = import_module("serving.migrations.versions.0009_hourly_figures")
_tallies = import_module("serving.migrations.versions.0015_tallies")
_parts = import_module("serving.migrations.versions.0020_frames_of_one_part_id")

_Trigger = tuple[str, str, str, str, list[str]]

_ON_INSERT = "BEFORE INSERT", "inspections"
_PLACE = ("slot", "line", "station", "product", "lot", "model_version")
# A plan that was made while the tables were empty has to do when they are full.
_PLANNED_ONCE = ("plan_cache_mode = force_generic_plan", "enable_seqscan = off")


def upgrade() -> None:
    for trigger in _before():
        _parts._drop(trigger)
    if op.get_bind().dialect.name == "sqlite":
        for trigger in _in_sqlite():
            _tallies._make_trigger(*trigger)
        return
    op.execute(
        f"CREATE FUNCTION inspection_arrives() RETURNS trigger LANGUAGE plpgsql AS $$ {_in_postgresql()} RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER inspection_arrives BEFORE INSERT ON inspections FOR EACH ROW EXECUTE FUNCTION inspection_arrives()"
    )
    for name in _functions():
        for setting in _PLANNED_ONCE:
            op.execute(f"ALTER FUNCTION {name}() SET {setting}")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for trigger in _in_sqlite():
            _parts._drop(trigger)
    else:
        op.execute("DROP TRIGGER inspection_arrives ON inspections")
        op.execute("DROP FUNCTION inspection_arrives()")
        for name in _functions():
            op.execute(f"ALTER FUNCTION {name}() RESET ALL")
    for trigger in _before():
        _tallies._make_trigger(*trigger)


def _before() -> list[_Trigger]:
    """As 0015 and 0020 made them."""
    tallied = [trigger for trigger in _tallies._triggers() if trigger[0] == "inspection_is_tallied"]
    return [
        *tallied,
        *(one for one in _parts._triggers() if one[0] in ("inspection_arrives", "inspection_joins_a_part")),
    ]


def _functions() -> list[str]:
    """Of all triggers that count."""
    query = (
        "SELECT p.proname FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal "
        "AND t.tgrelid IN ('inspections'::regclass, 'tombstones'::regclass, 'reviews'::regclass)"
    )
    return list(op.get_bind().execute(sa.text(query)).scalars())


def _in_sqlite() -> list[_Trigger]:
    event, table = _ON_INSERT
    earlier = _frames_on_line("received_at <= NEW.received_at")
    gained = dict(zip(_tallies._UNITS, ("1", "u.failed", _tallies._WAITING, "u.defective"), strict=True))
    place = " AND ".join(f"tallies.{key} = {value}" for key, value in _place("u").items())
    stored, with_new = (
        f"UPDATE tallies SET {', '.join(f'{name} = {name} {sign} {value}' for name, value in gained.items())} "
        f"FROM ({_tallies._units(_parts_frames(plus))}) AS u WHERE {place}"
        for sign, plus in (("-", False), ("+", True))
    )
    cells = _tally(_tallies._others("NEW"), [*_tallies._PASSED, *_tallies._OF_FLAGGED])
    tally = _bump("tallies", _place("NEW"), cells, True)
    return [
        ("inspection_arrives", event, table, "", [*_hourly_frame(), *tally]),
        ("part_arrives", event, table, f"NOT ({earlier})", _part_comes(f"({_first_on_line()})")),
        ("defect_class_comes", event, table, _tallies._is_confirmed("NEW"), _defect_class()),
        (
            "inspection_joins_a_part",
            event,
            table,
            f"{_parts._is_first('NEW', 'inspections')} AND {_tallies._changes_part('NEW')}",
            # The tally of this frame's place is there, or would be after it.
            [stored, *_bump("tallies", _place("NEW"), {"units": "0"}, True), with_new],
        ),
    ]


def _in_postgresql() -> str:
    joins = f"{_parts._is_first('NEW', 'inspections')} AND {_tallies._changes_part('NEW')}"
    statements = [
        f"DECLARE first_on_line bigint := ({_first_on_line()}); others boolean := {_tallies._others('NEW')}; BEGIN",
        *(f"{one};" for one in _hourly_frame()),
        "IF coalesce(first_on_line > NEW.received_at, true) THEN",
        *(f"{one};" for one in _part_comes("first_on_line")),
        "END IF;",
        # Of each statement, every expression is set up anew: half of the cells are of passed frames, half of others.
        "IF NEW.verdict = 'PASS' THEN",
        *(f"{one};" for one in _bump("tallies", _place("NEW"), _tally("others", _tallies._PASSED), True)),
        "ELSE",
        *(f"{one};" for one in _bump("tallies", _place("NEW"), _tally("others", _tallies._OF_FLAGGED), True)),
        "END IF;",
        f"IF {_tallies._is_confirmed('NEW')} THEN",
        *(f"{one};" for one in _defect_class()),
        "END IF;",
        # Twice, since PostgreSQL may ask the second part of one condition though the first is false.
        f"IF others THEN IF {joins} THEN",
        f"{_parts._unit_of('NEW', -1)}; {_parts._unit_of('NEW', 1, plus='NEW')};",
        "END IF; END IF;",
    ]
    return " ".join(statements)


def _bump(table: str, keys: dict[str, str], counts: dict[str, str], ends: bool = False) -> list[str]:
    """Add `counts` to the row with these `keys`, and keep the ends of its time with `ends`."""
    at = {"first_at": "NEW.received_at", "last_at": "NEW.received_at"} if ends else {}
    sets = [f"{name} = {table}.{name} + {value}" for name, value in counts.items()]
    sets += [
        f"{name} = CASE WHEN {value} {sign} {table}.{name} THEN {value} ELSE {table}.{name} END"
        for (name, value), sign in zip(at.items(), "<>", strict=False)
    ]
    conflict = f"ON CONFLICT ({', '.join(keys)}) DO"
    if op.get_bind().dialect.name == "sqlite":
        row = keys | at | dict.fromkeys(counts, "0")
        new = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())}) {conflict} NOTHING"
        where = " AND ".join(f"{key} = {value}" for key, value in keys.items())
        return [new, f"UPDATE {table} SET {', '.join(sets)} WHERE {where}"]
    row = keys | at | counts
    return [
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())}) {conflict} UPDATE SET {', '.join(sets)}"
    ]


def _place(row: str) -> dict[str, str]:
    slot = f"{row}.received_at - {row}.received_at % {_tallies._SLOT}"
    named = {name: f"{row}.{name}" for name in _PLACE[1:-1]}
    return {"slot": slot, **named, "model_version": f"coalesce({row}.model_version, '')"}


def _tally(others: str, cells: list[str]) -> dict[str, str]:
    """As in 0015, of the named cells; `others` tells whether other frames of the part are there."""
    counts = _tallies._cells("NEW")
    first = {name: one.replace(_tallies._others("NEW"), others) for name, one in _tallies._first("NEW").items()}
    return {name: counts[name] for name in cells} | first


def _hourly_frame() -> list[str]:
    hour, decision = _hourly._hour("NEW"), "coalesce(NEW.decision, '')"
    counted = {"hour": hour, "line": "NEW.line", "verdict": "NEW.verdict", "decision": decision}
    counted["defect_class"] = _hourly._class("NEW")
    in_sqlite = op.get_bind().dialect.name == "sqlite"
    up_to = _up_to(_hourly._LATENCIES) if in_sqlite else _up_to_in_postgresql(_hourly._LATENCIES)
    latency = {"hour": hour, "line": "NEW.line", "up_to_ms": up_to}
    return [*_bump("hourly_counts", counted, {"frames": "1"}), *_bump("hourly_latencies", latency, {"frames": "1"})]


def _up_to(edges: list[float]) -> str:
    """The edge that the latency does not exceed, by halves: 8 comparisons rather than 140."""
    if len(edges) == 1:
        return f"{edges[0]}"
    half = len(edges) // 2
    return f"CASE WHEN NEW.latency_ms <= {edges[half - 1]} THEN {_up_to(edges[:half])} ELSE {_up_to(edges[half:])} END"


def _up_to_in_postgresql(edges: list[float]) -> str:
    """The same by its own bisection; of the negatives, since it goes past an edge that is met."""
    negatives = ", ".join(f"{-edge}" for edge in reversed(edges[:-1]))
    passed = f"width_bucket(-NEW.latency_ms, ARRAY[{negatives}]::float8[])"
    return f"(ARRAY[{', '.join(map(str, edges))}]::float8[])[{len(edges)} - {passed}]"


def _part_comes(first: str) -> list[str]:
    """As in 0020, where no earlier frame of the part on the line is there; `first` is of those that are."""
    hour = {"hour": _hourly._hour("NEW"), "line": "NEW.line"}
    return [
        f"UPDATE hourly_parts SET parts = parts - 1 WHERE line = NEW.line AND hour = {first} - {first} % {_hourly._HOUR}",
        *_bump("hourly_parts", hour, {"parts": "1"}),
    ]


def _first_on_line() -> str:
    times = "SELECT min(received_at) AS at FROM {} WHERE part_id = NEW.part_id AND line = NEW.line"
    both = " UNION ALL ".join(times.format(table) for table in ("inspections", "tombstones"))
    return f"SELECT min(other.at) FROM ({both}) AS other"


def _frames_on_line(condition: str) -> str:
    where = f"WHERE part_id = NEW.part_id AND line = NEW.line AND {condition}"
    return " OR ".join(f"EXISTS (SELECT 1 FROM {table} {where})" for table in ("inspections", "tombstones"))


def _defect_class() -> list[str]:
    keys = {"kind": "'defect_class'", **_place("NEW"), "name": _tallies._class("NEW")}
    return _bump("tallies_by_name", keys, {"n": "1"})


def _parts_frames(plus: bool) -> str:
    """The first frames of each camera of the part, as in 0020."""
    frames = [_parts._firsts(table, "NEW", "") for table in ("inspections", "tombstones")]
    if plus:
        frames.append(f"SELECT {', '.join(f'NEW.{name}' for name in _tallies._FRAME)}")
    return " UNION ALL ".join(frames)
