"""recipes with a model of their own, runs of the server, and images that were not kept"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inspections", sa.Column("image_kept", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("promotions", sa.Column("product", sa.String(length=128), nullable=True))
    op.add_column("promotions", sa.Column("station", sa.String(length=128), nullable=True))
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("started_at", serving.tables.Utc(), nullable=False),
        sa.Column("settled_at", serving.tables.Utc(), nullable=False),
        sa.Column("ended_at", serving.tables.Utc(), nullable=True),
        sa.Column("repaired", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_ended_at"), "runs", ["ended_at"])


def downgrade() -> None:
    op.drop_table("runs")
    for table, column in (("promotions", "station"), ("promotions", "product"), ("inspections", "image_kept")):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(column)
