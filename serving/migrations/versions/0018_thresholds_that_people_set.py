"""thresholds that people set, and what stands behind those of an inspection"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "threshold_changes",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("product", sa.String(length=128), nullable=True),
        sa.Column("station", sa.String(length=128), nullable=True),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.String(length=128), nullable=False),
        sa.Column("promotion", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Float(), nullable=False)
            for name in ("old_pass_below", "old_reject_from", "pass_below", "reject_from")
        ),
        sa.Column("guaranteed", sa.Boolean(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_threshold_changes")),
    )
    op.create_index(
        op.f("ix_threshold_changes_product_station_sequence"), "threshold_changes", ["product", "station", "sequence"]
    )
    op.add_column("inspections", sa.Column("threshold_change", sa.Integer(), nullable=True))
    op.add_column("inspections", sa.Column("guaranteed", sa.Boolean(), nullable=True))
    op.add_column("spc_points", sa.Column("threshold_change", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("spc_points", "threshold_change")
    # Not by a new table in its place, which would lose its triggers.
    op.drop_column("inspections", "guaranteed")
    op.drop_column("inspections", "threshold_change")
    op.drop_table("threshold_changes")
