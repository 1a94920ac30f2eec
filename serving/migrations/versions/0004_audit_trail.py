"""the audit trail, with an entry for each review and promotion from before it"""

import sqlalchemy as sa
from alembic import op

import serving.tables
from serving.audit import Action, append

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", serving.tables.Utc(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("old", sa.JSON(), nullable=True),
        sa.Column("new", sa.JSON(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
        sa.UniqueConstraint("previous", name=op.f("uq_audit_previous")),
    )
    op.create_index(op.f("ix_audit_subject_sequence"), "audit", ["subject", "sequence"])
    connection = op.get_bind()
    for table, action, key, person in (
        ("reviews", Action.REVIEW, "client_id", "reviewer"),
        ("promotions", Action.PROMOTION, "sequence", "person"),
    ):
        reflected = sa.Table(table, sa.MetaData(), autoload_with=connection)
        for row in connection.execute(sa.select(reflected).order_by(reflected.c.sequence)).mappings().all():
            append(connection, action, str(row[key]), row[person], new=dict(row), reason="from before the audit trail")


def downgrade() -> None:
    op.drop_table("audit")
