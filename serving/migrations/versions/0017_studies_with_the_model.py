"""studies in which people see what the model said"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("studies", sa.Column("kind", sa.String(length=16), server_default="ALONE", nullable=False))
    op.add_column("study_answers", sa.Column("aided", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    for table, column in (("study_answers", "aided"), ("studies", "kind")):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(column)
