"""points of control charts, studies of agreement, and which alarms the webhook took"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_STREAM = ("line", "station", "camera", "product", "model_name", "model_version")


def upgrade() -> None:
    for column in ("raised_told_at", "cleared_told_at"):
        op.add_column("alarms", sa.Column(column, serving.tables.Utc(), nullable=True))
    op.create_table(
        "spc_points",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        *(sa.Column(name, sa.String(length=128), nullable=False) for name in _STREAM),
        sa.Column("started_at", serving.tables.Utc(), nullable=False),
        sa.Column("ended_at", serving.tables.Utc(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.Integer(), nullable=False),
        sa.Column("defects", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_spc_points")),
    )
    op.create_index(
        op.f("ix_spc_points_line_station_camera_product_model_version_sequence"),
        "spc_points",
        ["line", "station", "camera", "product", "model_version", "sequence"],
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("created_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
    )
    op.create_table(
        "study_parts",
        sa.Column("study_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("inspection_id", sa.String(length=36), nullable=False),
        sa.Column("defective", sa.Boolean(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_parts_study_id")),
        sa.PrimaryKeyConstraint("study_id", "number", name=op.f("pk_study_parts")),
    )
    op.create_table(
        "study_answers",
        sa.Column("study_id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("trial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("defective", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("answered_at", serving.tables.Utc(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_answers_study_id")),
        sa.PrimaryKeyConstraint("study_id", "person", "trial", "number", name=op.f("pk_study_answers")),
    )


def downgrade() -> None:
    for table in ("study_answers", "study_parts", "studies", "spc_points"):
        op.drop_table(table)
    for column in ("cleared_told_at", "raised_told_at"):
        with op.batch_alter_table("alarms") as batch:
            batch.drop_column(column)
