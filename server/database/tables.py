"""The tables, as queries name them. The migrations make them; a test compares the two.

Ids sort by their bytes on every engine, instants are Unix milliseconds, money is minor units.
"""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
# PostgreSQL would sort by the language of the cluster; paging by key must not depend on it.
ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

ROOM_STATES = ("scheduled", "live", "ended")
SANCTION_KINDS = ("mute", "ban")
ROLES = ("viewer", "moderator", "host", "merchant")

products = sa.Table(
    "products",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("image_url", sa.Text, nullable=False),
    sa.CheckConstraint("price_minor >= 0", name="price_minor"),
    sa.CheckConstraint("length(currency) = 3", name="currency"),
)

product_skus = sa.Table(
    "product_skus",
    METADATA,
    sa.Column("product_id", ID, sa.ForeignKey("products.id"), primary_key=True),
    sa.Column("sku", ID, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("product_id", "position"),
    sa.CheckConstraint("price_minor >= 0", name="price_minor"),
    sa.CheckConstraint("position >= 0", name="position"),
)

rooms = sa.Table(
    "rooms",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("stream_url", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("slow_seconds", sa.Integer, nullable=False),
    sa.Column("pinned_product_id", ID, sa.ForeignKey("products.id"), nullable=True),
    sa.Column("pinned_comment", sa.Text, nullable=True),  # JSON
    sa.Column("notice", sa.Text, nullable=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.CheckConstraint("state IN ('scheduled', 'live', 'ended')", name="state"),
    sa.CheckConstraint("slow_seconds >= 0", name="slow_seconds"),
    sa.CheckConstraint("version >= 0", name="version"),
)

shelf_items = sa.Table(
    "shelf_items",
    METADATA,
    sa.Column("room_id", ID, sa.ForeignKey("rooms.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("product_id", ID, sa.ForeignKey("products.id"), nullable=False),
    sa.UniqueConstraint("room_id", "product_id"),
    sa.CheckConstraint("position >= 0", name="position"),
)

sanctions = sa.Table(
    "sanctions",
    METADATA,
    sa.Column("room_id", ID, sa.ForeignKey("rooms.id"), primary_key=True),
    sa.Column("user_id", USER, primary_key=True),
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("until_ms", sa.BigInteger, nullable=True),  # null: until it is lifted
    sa.Column("reason", sa.Text, nullable=False),
    sa.CheckConstraint("kind IN ('mute', 'ban')", name="kind"),
    sa.CheckConstraint("user_id <> ''", name="user_id"),
)

# Append-only: triggers refuse UPDATE and DELETE. The kinds are checked by records.Act and not
# here, because on SQLite a changed CHECK means copying the whole log into a new table.
room_acts = sa.Table(
    "room_acts",
    METADATA,
    sa.Column("room_id", ID, sa.ForeignKey("rooms.id"), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("actor_id", USER, nullable=False),
    sa.Column("actor_role", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("target_user", USER, nullable=False),
    sa.Column("target_comment", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON object
    sa.CheckConstraint(
        "actor_role IN ('viewer', 'moderator', 'host', 'merchant')", name="actor_role"
    ),
    sa.CheckConstraint("version >= 1", name="version"),
    sa.CheckConstraint("kind <> ''", name="kind"),
    sqlite_with_rowid=False,
)
