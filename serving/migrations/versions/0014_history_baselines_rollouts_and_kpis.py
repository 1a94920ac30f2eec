"""imported history, frozen baselines, roll-outs of lines, and figures that are tracked beside the money"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COUNTS = ("flagged", "false_calls", "confirmed", "audited", "audit_defects", "escapes")


def upgrade() -> None:
    op.create_table(
        "history",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("product", sa.String(length=128), nullable=False),
        sa.Column("inspected", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in _COUNTS),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_history")),
    )
    op.create_index(op.f("ix_history_day_line_product"), "history", ["day", "line", "product"])
    op.create_index(op.f("ix_history_batch"), "history", ["batch"])
    op.create_table(
        "baselines",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("since", serving.tables.Utc(), nullable=False),
        sa.Column("until", serving.tables.Utc(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("frozen_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baselines")),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollouts")),
    )
    op.create_index(op.f("ix_rollouts_line_set_at"), "rollouts", ["line", "set_at"])
    op.create_table(
        "kpis",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_kpis")),
    )
    op.create_index(op.f("ix_kpis_key_day"), "kpis", ["key", "day"])
    op.create_index(op.f("ix_kpis_batch"), "kpis", ["batch"])


def downgrade() -> None:
    for table in ("kpis", "rollouts", "baselines", "history"):
        op.drop_table(table)
