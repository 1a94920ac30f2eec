"""who has which part of the queue, and what each frame looks like"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inspections", sa.Column("sketch", sa.LargeBinary(), nullable=True))
    decided = sa.text("decision IS NOT NULL")
    op.create_index(
        "ix_inspections_product_decided",
        "inspections",
        ["product", "received_at"],
        sqlite_where=decided,
        postgresql_where=decided,
    )
    op.add_column("reviews", sa.Column("blind", sa.Boolean(), nullable=True))
    op.create_table(
        "claims",
        sa.Column("inspection_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("until", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("inspection_id", name=op.f("pk_claims")),
    )
    op.create_index(op.f("ix_claims_reviewer"), "claims", ["reviewer"])


def downgrade() -> None:
    op.drop_table("claims")
    op.drop_index("ix_inspections_product_decided", "inspections")
    # Not by a new table in its place, which would lose its triggers.
    for table, column in (("reviews", "blind"), ("inspections", "sketch")):
        op.drop_column(table, column)
