"""an index of inspections by class: looking for a class that is rare, or that does not exist, read every row"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        op.f("ix_inspections_class_name_received_at_id"), "inspections", ["class_name", "received_at", "id"]
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_inspections_class_name_received_at_id"), "inspections")
