"""lines put on hold, and under which hold a frame was decided"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "line_holds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("held_at", serving.tables.Utc(), nullable=False),
        sa.Column("released_at", serving.tables.Utc(), nullable=True),
        sa.Column("released_by", sa.String(length=128), nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_holds")),
    )
    op.create_index(op.f("ix_line_holds_held_at"), "line_holds", ["held_at"])
    in_force = sa.text("released_at IS NULL")
    op.create_index(
        "ix_line_holds_in_force", "line_holds", ["line"], unique=True, sqlite_where=in_force, postgresql_where=in_force
    )
    op.add_column("inspections", sa.Column("line_hold_id", sa.String(length=36), nullable=True))


def downgrade() -> None:
    op.drop_column("inspections", "line_hold_id")
    op.drop_table("line_holds")
