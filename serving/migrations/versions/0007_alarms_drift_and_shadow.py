"""faults of cameras, alarms, drift windows and shadow models"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inspections", sa.Column("fault", sa.String(length=16), nullable=True))
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("station", sa.String(length=128), nullable=False),
        sa.Column("camera", sa.String(length=128), nullable=False),
        sa.Column("fault", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("inspection_id", sa.String(length=36), nullable=False),
        sa.Column("raised_at", serving.tables.Utc(), nullable=False),
        sa.Column("cleared_at", serving.tables.Utc(), nullable=True),
        sa.Column("acknowledged_at", serving.tables.Utc(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=128), nullable=True),
        sa.Column("acknowledgement", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index(op.f("ix_alarms_cleared_at_raised_at"), "alarms", ["cleared_at", "raised_at"])
    op.create_table(
        "drift_references",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("station", sa.String(length=128), nullable=False),
        sa.Column("camera", sa.String(length=128), nullable=False),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.String(length=128), nullable=False),
        sa.Column("promotion", sa.Integer(), nullable=False),
        sa.Column("ended_at", serving.tables.Utc(), nullable=False),
        sa.Column("sample", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_drift_references")),
    )
    op.create_table(
        "drift_windows",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("station", sa.String(length=128), nullable=False),
        sa.Column("camera", sa.String(length=128), nullable=False),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.String(length=128), nullable=False),
        sa.Column("ended_at", serving.tables.Utc(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("histogram", sa.JSON(), nullable=True),
        sa.Column("typical", sa.JSON(), nullable=False),
        sa.Column("unusual", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_drift_windows")),
    )
    op.create_index(
        op.f("ix_drift_windows_line_station_camera_sequence"),
        "drift_windows",
        ["line", "station", "camera", "sequence"],
    )
    op.create_table(
        "shadows",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("started_at", serving.tables.Utc(), nullable=False),
        sa.Column("ended_at", serving.tables.Utc(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_shadows")),
    )
    op.create_table(
        "shadow_inspections",
        sa.Column("inspection_id", sa.String(length=36), nullable=False),
        sa.Column("shadow", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.String(length=128), nullable=False),
        sa.Column("defect_probability", sa.Float(), nullable=False),
        sa.Column("novelty", sa.Float(), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inspection_id"], ["inspections.id"], name=op.f("fk_shadow_inspections_inspection_id")
        ),
        sa.ForeignKeyConstraint(["shadow"], ["shadows.sequence"], name=op.f("fk_shadow_inspections_shadow")),
        sa.PrimaryKeyConstraint("shadow", "inspection_id", name=op.f("pk_shadow_inspections")),
    )


def downgrade() -> None:
    for table in ("shadow_inspections", "shadows", "drift_windows", "drift_references", "alarms"):
        op.drop_table(table)
    op.drop_column("inspections", "fault")
