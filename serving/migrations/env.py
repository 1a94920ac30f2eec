"""Alembic's entry point; serving.store passes its own connection in."""

from alembic import context

from serving.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
