"""promotions say of which kind they are and which objections were overruled"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("promotions", sa.Column("kind", sa.String(length=16), nullable=False, server_default="PROMOTED"))
    op.add_column("promotions", sa.Column("overruled", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    with op.batch_alter_table("promotions") as table:
        table.drop_column("overruled")
        table.drop_column("kind")
