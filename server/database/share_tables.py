"""The tables of share links, touches and bindings. The migrations make them; a test compares.

Append-only by triggers: share_links, bindings; but the quote of a link can be erased. A touch
changes once, when it gets its person, and goes when the record of visits goes.
"""

from __future__ import annotations

import sqlalchemy as sa

from server.database.tables import ID, METADATA, USER

APPEND_ONLY = ("share_links", "bindings")

share_links = sa.Table(
    "share_links",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("room_id", ID, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("inviter", USER, nullable=False),  # empty: a link of the shop itself
    sa.Column("inviter_name", sa.Text, nullable=False),  # masked
    sa.Column("channel", ID, nullable=False),
    sa.Column("campaign", ID, nullable=False),
    sa.Column("staff", USER, nullable=False),
    sa.Column("target_kind", sa.String(16), nullable=False),
    sa.Column("target_id", sa.String(64), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=True),
    sa.Column("markups", sa.Text, nullable=False),  # JSON: sku -> minor units
    sa.Column("quote_name", sa.Text, nullable=True),  # masked; both null once it was erased
    sa.Column("quote_text", sa.Text, nullable=True),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("target_kind IN ('room', 'product', 'comment')", name="target_kind"),
    sa.Index(None, "room_id", "created_at_ms", "id"),
    sa.Index(None, "inviter", "created_at_ms"),
    sa.Index(
        None,
        "target_id",
        sqlite_where=sa.text("target_kind = 'comment'"),
        postgresql_where=sa.text("target_kind = 'comment'"),
    ),
)


def quoting(room_id: str, comment_id: str) -> sa.ColumnElement[bool]:
    """Of links: those that quote a comment."""
    return sa.and_(
        share_links.c.target_kind == sa.literal_column("'comment'"),  # as its index says it
        share_links.c.target_id == comment_id,
        share_links.c.room_id == room_id,
        share_links.c.quote_text.is_not(None),
    )


# Every visit that came by a link with an inviter. A device's touches wait here for a sign-in.
touches = sa.Table(
    "touches",
    METADATA,
    sa.Column("visit", ID, primary_key=True),
    sa.Column("device", ID, nullable=False),
    sa.Column("inviter", USER, nullable=False),
    sa.Column("link", ID, nullable=False),
    sa.Column("app", ID, nullable=False),  # in whose browser the link was opened, or empty
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("person", USER, nullable=False),  # the member it counted for, or empty
    sa.Index(None, "device"),
    sa.Index(None, "at_ms"),
)

bindings = sa.Table(
    "bindings",
    METADATA,
    sa.Column("user_id", USER, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # from 1
    sa.Column("inviter", USER, nullable=False),
    sa.Column("link", ID, nullable=False),
    sa.Column("visit", ID, nullable=False),
    sa.Column("app", ID, nullable=False),  # that of the touch: visits are forgotten earlier
    sa.Column("bound_at_ms", sa.BigInteger, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("number >= 1", name="number"),
    sa.CheckConstraint("until_ms > bound_at_ms", name="until_ms"),
    sa.CheckConstraint("inviter <> user_id", name="inviter"),
    sa.Index(None, "inviter"),
)
