"""the first call of each frame, good or defective, kept by triggers: what figures about automation bias are counted from

They were counted from reviews joined to their inspections, one lookup among millions for each: a second for a month.
As in 0015, a call counts where its frame does, and stays while a tombstone tells of the frame.
SQLite forgets the triggers of a table that `batch_alter_table` makes anew: a later migration that does so must make them again.
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None

_tallies = import_module("serving.migrations.versions.0015_tallies")

_OF_FRAME = ("received_at", "line", "station", "product", "lot", "model_version", "verdict", "audit")
_OF_CALL = ("reviewer", "seconds")
_DEFECTIVE = "decision = 'DEFECT_CONFIRMED'"


def upgrade() -> None:
    op.create_table(
        "first_calls",
        sa.Column("received_at", serving.tables.Utc(), nullable=False),
        sa.Column("inspection_id", sa.String(length=36), nullable=False),
        *(sa.Column(name, sa.String(length=128), nullable=False) for name in ("line", "station", "product", "lot")),
        sa.Column("model_version", sa.String(length=128), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("audit", sa.String(length=16), nullable=True),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("defective", sa.Boolean(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("received_at", "inspection_id", name=op.f("pk_first_calls")),
        sqlite_with_rowid=False,
    )
    firsts = f"SELECT min(sequence) FROM reviews WHERE {_tallies._JUDGED} GROUP BY inspection_id"
    for table in ("inspections", "tombstones"):
        op.execute(
            _keep(f"{table} AS f JOIN reviews AS r ON r.inspection_id = f.id", "f", "r", f"r.sequence IN ({firsts})")
        )
    for trigger in _triggers():
        _tallies._make_trigger(*trigger)


def downgrade() -> None:
    for name, _, table, _, _ in _triggers():
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
    op.drop_table("first_calls")


def _triggers() -> list[tuple[str, str, str, str, list[str]]]:
    frame = f"({_tallies._recorded('WHERE id = NEW.inspection_id')}) AS f"
    calls = f"reviews WHERE inspection_id = NEW.id AND {_tallies._JUDGED}"
    first = f"(SELECT * FROM {calls} ORDER BY sequence LIMIT 1) AS r"
    there = "EXISTS (SELECT 1 FROM tombstones WHERE id = OLD.id)"
    forget = f"DELETE FROM first_calls WHERE received_at = OLD.received_at AND inspection_id = OLD.id AND NOT {there}"
    return [
        (
            "review_is_first_call",
            "BEFORE INSERT",
            "reviews",
            f"NEW.{_tallies._JUDGED}",
            [_keep(frame, "f", "NEW", "true")],
        ),
        ("tombstone_keeps_first_call", "BEFORE INSERT", "tombstones", "", [_keep(first, "NEW", "r", "true")]),
        ("inspection_takes_first_call", "BEFORE DELETE", "inspections", "", [forget]),
    ]


def _keep(source: str, frame: str, call: str, condition: str) -> str:
    """Keep a call, unless its frame has one already."""
    of_frame, of_call = (
        ", ".join(f"{row}.{name}" for name in names) for row, names in ((frame, _OF_FRAME), (call, _OF_CALL))
    )
    return (
        f"INSERT INTO first_calls (inspection_id, {', '.join((*_OF_FRAME, *_OF_CALL))}, defective, blind) "
        f"SELECT {frame}.id, {of_frame}, {of_call}, {call}.{_DEFECTIVE}, coalesce({call}.blind, false) "
        f"FROM {source} WHERE {condition} ON CONFLICT (received_at, inspection_id) DO NOTHING"
    )
