"""inspections, reviews and promotions"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("received_at", serving.tables.Utc(), nullable=False),
        sa.Column("captured_at", serving.tables.Utc(), nullable=False),
        sa.Column("product", sa.String(length=128), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("station", sa.String(length=128), nullable=False),
        sa.Column("camera", sa.String(length=128), nullable=False),
        sa.Column("part_id", sa.String(length=128), nullable=False),
        sa.Column("lot", sa.String(length=128), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("defect_probability", sa.Float(), nullable=True),
        sa.Column("class_name", sa.String(length=128), nullable=True),
        sa.Column("class_probability", sa.JSON(), nullable=False),
        sa.Column("pass_below", sa.Float(), nullable=True),
        sa.Column("reject_from", sa.Float(), nullable=True),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("heatmap", sa.LargeBinary(), nullable=True),
        sa.Column("model_name", sa.String(length=128), nullable=True),
        sa.Column("model_version", sa.String(length=128), nullable=True),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("image_sha256", sa.String(length=64), nullable=False),
        sa.Column("image_type", sa.String(length=64), nullable=False),
        sa.Column("image_bytes", sa.Integer(), nullable=False),
        sa.Column("image_width", sa.Integer(), nullable=True),
        sa.Column("image_height", sa.Integer(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("queue_cost", sa.Float(), nullable=True),
        sa.Column("review_id", sa.String(length=36), nullable=True),
        sa.Column("decision", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_inspections_idempotency_key")),
    )
    op.create_table(
        "promotions",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("previous_name", sa.String(length=128), nullable=True),
        sa.Column("previous_version", sa.String(length=128), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("promoted_at", serving.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_promotions")),
    )
    op.create_table(
        "reviews",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("inspection_id", sa.String(length=36), nullable=False),
        sa.Column("decision", sa.String(length=24), nullable=True),
        sa.Column("defect_class", sa.String(length=128), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("decided_at", serving.tables.Utc(), nullable=False),
        sa.Column("received_at", serving.tables.Utc(), nullable=False),
        sa.Column("supersedes", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["inspection_id"], ["inspections.id"], name=op.f("fk_reviews_inspection_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_reviews")),
        sa.UniqueConstraint("client_id", name=op.f("uq_reviews_client_id")),
    )
    op.create_index(op.f("ix_inspections_line_queue_cost_id"), "inspections", ["line", "queue_cost", "id"])
    op.create_index(
        op.f("ix_inspections_line_received_at_id_verdict_decision"),
        "inspections",
        ["line", "received_at", "id", "verdict", "decision"],
    )
    op.create_index(op.f("ix_inspections_lot_received_at"), "inspections", ["lot", "received_at"])
    op.create_index(op.f("ix_inspections_part_id_received_at"), "inspections", ["part_id", "received_at"])
    op.create_index(op.f("ix_inspections_queue_cost_id"), "inspections", ["queue_cost", "id"])
    op.create_index(
        op.f("ix_inspections_received_at_id_line_verdict_decision"),
        "inspections",
        ["received_at", "id", "line", "verdict", "decision"],
    )
    op.create_index(op.f("ix_reviews_inspection_id_sequence"), "reviews", ["inspection_id", "sequence"])
    op.create_index(op.f("ix_reviews_received_at"), "reviews", ["received_at"])


def downgrade() -> None:
    op.drop_table("reviews")
    op.drop_table("promotions")
    op.drop_table("inspections")
