"""figures by the hour, kept by triggers; indices for the pages' questions; the active model's verdict beside the shadow's

Triggers, since they count whoever writes, within the same transaction, at a fraction of what a statement from Python costs.
SQLite forgets the triggers of a table that `batch_alter_table` makes anew: a later migration that does so must make them again.
"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_HOUR = 3_600_000_000
_LATENCIES = [round(0.1 * 1.1**step, 3) for step in range(141)]


def upgrade() -> None:
    _make_tables()
    _count_what_is_there()
    for name, event, table, condition, statements in _triggers():
        _make_trigger(name, event, table, condition, statements)
    op.create_index(
        op.f("ix_inspections_verdict_received_at_id_line"), "inspections", ["verdict", "received_at", "id", "line"]
    )
    op.create_index(
        "ix_inspections_decided",
        "inspections",
        ["received_at", "id", "decision"],
        sqlite_where=sa.text("decision IS NOT NULL"),
        postgresql_where=sa.text("decision IS NOT NULL"),
    )
    op.drop_index(op.f("ix_reviews_received_at"), "reviews")
    op.create_index(op.f("ix_reviews_received_at_decision_seconds"), "reviews", ["received_at", "decision", "seconds"])
    _keep_the_active_verdict()


def downgrade() -> None:
    for name, _, table, _, _ in _triggers():
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
    for table in ("hourly_counts", "hourly_parts", "hourly_latencies"):
        op.drop_table(table)
    op.drop_index(op.f("ix_inspections_verdict_received_at_id_line"), "inspections")
    op.drop_index("ix_inspections_decided", "inspections")
    op.drop_index(op.f("ix_reviews_received_at_decision_seconds"), "reviews")
    op.create_index(op.f("ix_reviews_received_at"), "reviews", ["received_at"])
    for index in (
        op.f("ix_shadow_inspections_shadow_active_verdict_verdict"),
        op.f("ix_shadow_inspections_shadow_latency_ms"),
        op.f("ix_shadow_inspections_inspection_id"),
        "ix_shadow_inspections_differing",
    ):
        op.drop_index(index, "shadow_inspections")
    with op.batch_alter_table("shadow_inspections") as batch:
        batch.drop_column("active_verdict")


def _make_tables() -> None:
    op.create_table(
        "hourly_counts",
        sa.Column("hour", serving.tables.Utc(), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("decision", sa.String(length=24), nullable=False),
        sa.Column("defect_class", sa.String(length=128), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "line", "verdict", "decision", "defect_class", name=op.f("pk_hourly_counts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hourly_parts",
        sa.Column("hour", serving.tables.Utc(), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "line", name=op.f("pk_hourly_parts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hourly_latencies",
        sa.Column("hour", serving.tables.Utc(), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("up_to_ms", sa.Float(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "line", "up_to_ms", name=op.f("pk_hourly_latencies")),
        sqlite_with_rowid=False,
    )


def _count_what_is_there() -> None:
    columns = "id, received_at, line, part_id, verdict, decision, class_name, review_id"
    recorded = f"SELECT {columns} FROM inspections UNION ALL SELECT {columns} FROM tombstones"
    op.execute(
        f"INSERT INTO hourly_counts (hour, line, verdict, decision, defect_class, frames) "
        f"SELECT {_hour('r')}, r.line, r.verdict, coalesce(r.decision, ''), {_class('r')}, count(*) "
        f"FROM ({recorded}) AS r GROUP BY 1, 2, 3, 4, 5"
    )
    op.execute(
        f"INSERT INTO hourly_parts (hour, line, parts) SELECT {_hour('f')}, f.line, count(*) FROM "
        f"(SELECT line, part_id, min(received_at) AS received_at FROM ({recorded}) AS r GROUP BY line, part_id) AS f "
        f"GROUP BY 1, 2"
    )
    op.execute(
        f"INSERT INTO hourly_latencies (hour, line, up_to_ms, frames) SELECT {_hour('r')}, r.line, {_up_to('r')}, count(*) "
        f"FROM inspections AS r GROUP BY 1, 2, 3"
    )


def _triggers() -> list[tuple[str, str, str, str, list[str]]]:
    changed = " OR ".join(
        f"coalesce(OLD.{column}, '') <> coalesce(NEW.{column}, '')" for column in ("decision", "review_id")
    )
    return [
        (
            "inspection_arrives",
            "BEFORE INSERT",
            "inspections",
            "",
            [
                _count("NEW", 1),
                *_count_part(),
                f"INSERT INTO hourly_latencies (hour, line, up_to_ms, frames) "
                f"VALUES ({_hour('NEW')}, NEW.line, {_up_to('NEW')}, 1) "
                f"ON CONFLICT (hour, line, up_to_ms) DO UPDATE SET frames = hourly_latencies.frames + 1",
            ],
        ),
        (
            "inspection_is_reviewed",
            "AFTER UPDATE OF decision, review_id",
            "inspections",
            f"WHEN ({changed})",
            [_count("OLD", -1), _count("NEW", 1)],
        ),
        ("inspection_goes", "AFTER DELETE", "inspections", "", [_count("OLD", -1)]),
        ("tombstone_comes", "AFTER INSERT", "tombstones", "", [_count("NEW", 1)]),
    ]


def _make_trigger(name: str, event: str, table: str, condition: str, statements: list[str]) -> None:
    body = "; ".join(statements)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW {condition} BEGIN {body}; END")
        return
    answer = "OLD" if "DELETE" in event else "NEW"
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN {answer}; END $$")
    op.execute(f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW {condition} EXECUTE FUNCTION {name}()")


def _count(row: str, by: int) -> str:
    return (
        f"INSERT INTO hourly_counts (hour, line, verdict, decision, defect_class, frames) "
        f"VALUES ({_hour(row)}, {row}.line, {row}.verdict, coalesce({row}.decision, ''), {_class(row)}, {by}) "
        f"ON CONFLICT (hour, line, verdict, decision, defect_class) DO UPDATE SET frames = hourly_counts.frames + ({by})"
    )


def _count_part() -> list[str]:
    """A part counts in the hour of its first frame on the line, which may be stored after a later one."""
    others = (
        "SELECT {what} FROM inspections WHERE part_id = NEW.part_id AND line = NEW.line "
        "UNION ALL SELECT {what} FROM tombstones WHERE part_id = NEW.part_id AND line = NEW.line"
    )
    times = others.format(what="received_at")
    first = f"(SELECT min(received_at) FROM ({times}) AS other)"
    return [
        f"UPDATE hourly_parts SET parts = parts - 1 WHERE line = NEW.line AND {first} > NEW.received_at "
        f"AND hour = {first} - {first} % {_HOUR}",
        f"INSERT INTO hourly_parts (hour, line, parts) SELECT {_hour('NEW')}, NEW.line, 1 "
        f"WHERE coalesce({first}, NEW.received_at + 1) > NEW.received_at "
        f"ON CONFLICT (hour, line) DO UPDATE SET parts = hourly_parts.parts + 1",
    ]


def _hour(row: str) -> str:
    return f"{row}.received_at - {row}.received_at % {_HOUR}"


def _class(row: str) -> str:
    """Only of confirmed defects."""
    named = f"(SELECT defect_class FROM reviews WHERE client_id = {row}.review_id)"
    return (
        f"CASE WHEN {row}.decision = 'DEFECT_CONFIRMED' THEN coalesce({named}, {row}.class_name, 'unnamed') ELSE '' END"
    )


def _up_to(row: str) -> str:
    branches = " ".join(f"WHEN {row}.latency_ms <= {edge} THEN {edge}" for edge in _LATENCIES[:-1])
    return f"CASE {branches} ELSE {_LATENCIES[-1]} END"


def _keep_the_active_verdict() -> None:
    op.add_column("shadow_inspections", sa.Column("active_verdict", sa.String(length=16), nullable=True))
    op.execute(
        "UPDATE shadow_inspections SET active_verdict = "
        "(SELECT verdict FROM inspections WHERE inspections.id = shadow_inspections.inspection_id)"
    )
    with op.batch_alter_table("shadow_inspections") as batch:
        batch.alter_column("active_verdict", existing_type=sa.String(length=16), nullable=False)
    op.create_index(
        op.f("ix_shadow_inspections_shadow_active_verdict_verdict"),
        "shadow_inspections",
        ["shadow", "active_verdict", "verdict"],
    )
    op.create_index(op.f("ix_shadow_inspections_shadow_latency_ms"), "shadow_inspections", ["shadow", "latency_ms"])
    op.create_index(op.f("ix_shadow_inspections_inspection_id"), "shadow_inspections", ["inspection_id"])
    op.create_index(
        "ix_shadow_inspections_differing",
        "shadow_inspections",
        ["shadow", "inspection_id"],
        sqlite_where=sa.text("verdict <> active_verdict"),
        postgresql_where=sa.text("verdict <> active_verdict"),
    )
