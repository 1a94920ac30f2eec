"""PostgreSQL: the first frame of a part on its line is looked for by the part, whatever the planner knows of the tables

A trigger's plan is made when it first runs, on tables that may be empty: reading the line from its first frame on seems as cheap
then. Until they were analysed each new frame read all before it, 1.1 ms after some 30,000.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_BY_EITHER = "SELECT min(received_at) AS at FROM {} WHERE part_id = NEW.part_id AND line = NEW.line"
_BY_PART = "SELECT min(received_at + 0) AS at FROM {} WHERE part_id = NEW.part_id AND line || '' = NEW.line"
_FUNCTIONS = (
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE prokind = 'f' AND pronamespace = current_schema()::regnamespace "
    "AND position('WHERE part_id = NEW.part_id AND line' IN prosrc) > 0"
)


def upgrade() -> None:
    _look_for(_BY_EITHER, _BY_PART)


def downgrade() -> None:
    _look_for(_BY_PART, _BY_EITHER)


def _look_for(before: str, after: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    for definition in connection.exec_driver_sql(_FUNCTIONS).scalars().all():
        for table in ("inspections", "tombstones"):
            definition = definition.replace(before.format(table), after.format(table))
        connection.exec_driver_sql(definition.replace("%", "%%"))
