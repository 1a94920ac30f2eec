"""what the return on investment assumes, in versions"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assumptions",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("unit", sa.JSON(), nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("spread", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_assumptions")),
    )
    op.create_index(op.f("ix_assumptions_key_sequence"), "assumptions", ["key", "sequence"])
    op.create_index(op.f("ix_assumptions_version"), "assumptions", ["version"])


def downgrade() -> None:
    op.drop_table("assumptions")
