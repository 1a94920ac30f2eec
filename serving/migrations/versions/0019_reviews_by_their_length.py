"""an index of reviews by their seconds, to find the few who were called away"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_reviews_seconds"), "reviews", ["seconds"])


def downgrade() -> None:
    op.drop_index(op.f("ix_reviews_seconds"), "reviews")
