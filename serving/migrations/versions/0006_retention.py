"""retention: removed images, tombstones, legal holds; reviews outlive the inspection; the audit trail by action, person, time"""

import sqlalchemy as sa
from alembic import op

import serving.tables

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inspections", sa.Column("image_removed_at", serving.tables.Utc(), nullable=True))
    op.add_column("inspections", sa.Column("image_removed_rule", sa.String(length=32), nullable=True))
    op.create_index(
        op.f("ix_inspections_image_removed_at_received_at"), "inspections", ["image_removed_at", "received_at"]
    )
    op.create_index(op.f("ix_inspections_image_sha256"), "inspections", ["image_sha256"])
    with op.batch_alter_table("reviews") as reviews:
        reviews.drop_constraint("fk_reviews_inspection_id", type_="foreignkey")
    op.drop_index(op.f("ix_audit_subject_sequence"), "audit")
    op.create_index(op.f("ix_audit_subject_action"), "audit", ["subject", "action"])
    for column in ("action", "person", "at"):
        op.create_index(op.f(f"ix_audit_{column}_sequence"), "audit", [column, "sequence"])
    op.create_table(
        "tombstones",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("received_at", serving.tables.Utc(), nullable=False),
        sa.Column("product", sa.String(length=128), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("station", sa.String(length=128), nullable=False),
        sa.Column("camera", sa.String(length=128), nullable=False),
        sa.Column("part_id", sa.String(length=128), nullable=False),
        sa.Column("lot", sa.String(length=128), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("decision", sa.String(length=24), nullable=True),
        sa.Column("class_name", sa.String(length=128), nullable=True),
        sa.Column("review_id", sa.String(length=36), nullable=True),
        sa.Column("removed_at", serving.tables.Utc(), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstones")),
    )
    op.create_index(
        op.f("ix_tombstones_received_at_line_verdict_decision"),
        "tombstones",
        ["received_at", "line", "verdict", "decision"],
    )
    op.create_index(op.f("ix_tombstones_part_id"), "tombstones", ["part_id"])
    op.create_index(op.f("ix_tombstones_batch"), "tombstones", ["batch"])
    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("part_id", sa.String(length=128), nullable=True),
        sa.Column("lot", sa.String(length=128), nullable=True),
        sa.Column("since", serving.tables.Utc(), nullable=True),
        sa.Column("until", serving.tables.Utc(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("set_at", serving.tables.Utc(), nullable=False),
        sa.Column("lifted_at", serving.tables.Utc(), nullable=True),
        sa.Column("lifted_by", sa.String(length=128), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index(op.f("ix_holds_lifted_at"), "holds", ["lifted_at"])
    op.create_table(
        "departing_images",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_departing_images")),
    )


def downgrade() -> None:
    raise NotImplementedError("reviews may belong to removed inspections; restore a backup from before instead")
