"""audits of passed parts, challenge parts and field returns"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BAND = (
    "UPDATE inspections SET audit_probability = 0, audit_band = CASE "
    "WHEN defect_probability < 0.05 * pass_below THEN 0 WHEN defect_probability < 0.2 * pass_below THEN 1 "
    "WHEN defect_probability < 0.5 * pass_below THEN 2 ELSE 3 END WHERE verdict = 'PASS'"
)


def upgrade() -> None:
    for table in ("inspections", "tombstones"):
        op.add_column(table, sa.Column("audit", sa.String(length=16), nullable=True))
        op.add_column(table, sa.Column("audit_band", sa.Integer(), nullable=True))
        op.add_column(table, sa.Column("audit_probability", sa.Float(), nullable=True))
    op.add_column("tombstones", sa.Column("model_version", sa.String(length=128), nullable=True))
    op.execute(_BAND)
    drawn = sa.text("audit IS NOT NULL")
    op.create_index(
        "ix_inspections_audit", "inspections", ["audit", "received_at"], sqlite_where=drawn, postgresql_where=drawn
    )
    op.create_table(
        "challenges",
        sa.Column("part_id", sa.String(length=128), nullable=False),
        sa.Column("defective", sa.Boolean(), nullable=False),
        sa.Column("defect_class", sa.String(length=128), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("registered_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("part_id", name=op.f("pk_challenges")),
    )
    op.create_table(
        "field_returns",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("part_id", sa.String(length=128), nullable=False),
        sa.Column("found_at", serving.tables.Utc(), nullable=False),
        sa.Column("defect_class", sa.String(length=128), nullable=True),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("registered_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_field_returns")),
        sa.UniqueConstraint("part_id", name=op.f("uq_field_returns_part_id")),
    )
    op.create_index(op.f("ix_field_returns_found_at"), "field_returns", ["found_at"])


def downgrade() -> None:
    op.drop_table("field_returns")
    op.drop_table("challenges")
    op.drop_index("ix_inspections_audit", "inspections")
    # Not by new tables in their place, which would lose their triggers.
    op.drop_column("tombstones", "model_version")
    for table in ("tombstones", "inspections"):
        for column in ("audit_probability", "audit_band", "audit"):
            op.drop_column(table, column)
