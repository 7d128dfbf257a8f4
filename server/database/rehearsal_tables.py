"""The tables of rehearsals. A migration makes them; a test compares the two.

Nothing here is the shop's: what a rehearsal sells, says and counts is in stores of its own.
"""

from __future__ import annotations

import sqlalchemy as sa

from server.database.tables import ID, METADATA, USER

# `occupies` is 1 while the one shadow shop is this rehearsal's: a second one cannot be stored.
rehearsals = sa.Table(
    "rehearsals",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("occupies", sa.Integer, nullable=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("plan", sa.Text, nullable=False),  # JSON
    sa.Column("driven", sa.Boolean, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("opened_at_ms", sa.BigInteger, nullable=True),
    sa.Column("heard_at_ms", sa.BigInteger, nullable=True),
    sa.Column("progress", sa.Text, nullable=False),  # JSON, or empty
    sa.Column("ended_at_ms", sa.BigInteger, nullable=True),
    sa.Column("shut_at_ms", sa.BigInteger, nullable=True),
    sa.Column("purged_at_ms", sa.BigInteger, nullable=True),
    sa.Column("verdict", sa.String(24), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),  # JSON, or empty
    sa.Column("why", sa.Text, nullable=False),
    sa.UniqueConstraint("number"),
    sa.UniqueConstraint("occupies"),
    sa.CheckConstraint(
        "state IN ('open', 'running', 'done', 'failed', 'stopped')",
        name="state",
    ),
    sa.CheckConstraint("occupies IS NULL OR occupies = 1", name="occupies"),
    sa.CheckConstraint("(occupies IS NULL) = (purged_at_ms IS NOT NULL)", name="purged_at_ms"),
    sa.CheckConstraint(
        "(ended_at_ms IS NULL) = (state IN ('open', 'running'))", name="ended_at_ms"
    ),
)

# What the generator found, compressed by zlib.
rehearsal_reports = sa.Table(
    "rehearsal_reports",
    METADATA,
    sa.Column("rehearsal_id", ID, sa.ForeignKey("rehearsals.id"), primary_key=True),
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("kind IN ('json', 'html')", name="kind"),
)

# Append-only by triggers: who opened a rehearsal, stopped it, did a drill, took its data away.
rehearsal_acts = sa.Table(
    "rehearsal_acts",
    METADATA,
    sa.Column("rehearsal_id", ID, sa.ForeignKey("rehearsals.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("actor", USER, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON
    sa.CheckConstraint("number >= 1", name="number"),
    sqlite_with_rowid=False,
)
