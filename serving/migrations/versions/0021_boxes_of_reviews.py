"""boxes that people drew round defects, beside their reviews"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reviews", sa.Column("boxes", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    # Not by a new table in its place, which would lose its triggers.
    op.drop_column("reviews", "boxes")
