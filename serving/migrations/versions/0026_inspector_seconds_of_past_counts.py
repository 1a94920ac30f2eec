"""how long inspectors looked, beside the past counts that are imported; null where nobody knows"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("history", sa.Column("inspector_seconds", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("history", "inspector_seconds")
