"""novelty of an inspected frame"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inspections", sa.Column("novelty", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("inspections", "novelty")
