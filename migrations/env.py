"""Run the migrations on the address that the caller put into the configuration."""

from alembic import context
from sqlmodel import SQLModel

import app.models  # noqa: F401 - fills the metadata
from app.database import Database


def run() -> None:
    database = Database(context.config.attributes["url"])
    try:
        with database.engine.connect() as connection:
            context.configure(
                connection=connection,
                target_metadata=SQLModel.metadata,
                render_as_batch=True,
                compare_type=True,
                compare_server_default=True,
                transaction_per_migration=True,
            )
            with context.begin_transaction():
                context.run_migrations()
    finally:
        database.dispose()


run()
