"""What alembic runs the migrations with: the connection, and its transaction, of who opens
the ledger.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
