"""The tables of sales, orders and the ledger. The migrations make them; a test compares the two.

Append-only by triggers: sale_moves, payments, stock_moves, webhook_events. What follows from the
moves (orders and their lines, the state of a sale) may change, and could be made from them anew.
"""

from __future__ import annotations

import sqlalchemy as sa

from server.database.tables import ID, METADATA, USER

ORDER = sa.String(96).with_variant(sa.String(96, collation="C"), "postgresql")
# Ids that others choose: a client's request, a provider's payment and event.
THEIRS = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

APPEND_ONLY = ("sale_moves", "payments", "stock_moves", "webhook_events")

sales = sa.Table(
    "sales",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("room_id", ID, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),  # the highest of this epoch that is stored
    sa.Column("moves", sa.BigInteger, nullable=False),  # how many of this epoch are stored
    sa.Column("state_seq", sa.BigInteger, nullable=False),  # of the move that gave the state
    sa.Column("starts_at_ms", sa.BigInteger, nullable=True),
    sa.Column("ends_at_ms", sa.BigInteger, nullable=True),
    sa.Column("hold_ms", sa.BigInteger, nullable=False),
    sa.Column("offer_ms", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("settled_at_ms", sa.BigInteger, nullable=True),  # null: the ledger still reads it
    sa.CheckConstraint("length(currency) = 3", name="currency"),
    sa.CheckConstraint(
        "state IN ('draft', 'armed', 'countdown', 'open', 'sold_out', 'paused', 'closed',"
        " 'frozen')",
        name="state",
    ),
    sa.CheckConstraint("epoch >= 1", name="epoch"),
    sa.CheckConstraint("moves >= 0 AND seq >= moves AND seq >= state_seq", name="seq"),
    sa.CheckConstraint("hold_ms > 0 AND offer_ms > 0", name="hold_ms"),
    sa.Index(None, "room_id"),
    sa.Index(None, "settled_at_ms"),
)

sale_items = sa.Table(
    "sale_items",
    METADATA,
    sa.Column("sale_id", ID, sa.ForeignKey("sales.id"), primary_key=True),
    sa.Column("sku", ID, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("product_id", ID, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("stock", sa.BigInteger, nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("per_user_max", sa.BigInteger, nullable=False),
    sa.Column("floor_minor", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("markup_max_minor", sa.BigInteger, nullable=False, server_default="0"),
    sa.ForeignKeyConstraint(["product_id", "sku"], ["product_skus.product_id", "product_skus.sku"]),
    sa.UniqueConstraint("sale_id", "position"),
    sa.CheckConstraint("position >= 0", name="position"),
    sa.CheckConstraint("stock >= 0", name="stock"),
    sa.CheckConstraint("price_minor >= 0", name="price_minor"),
    sa.CheckConstraint("per_user_max >= 1", name="per_user_max"),
    sa.CheckConstraint("floor_minor >= 0", name="floor_minor"),
    sa.CheckConstraint("markup_max_minor >= 0", name="markup_max_minor"),
)

# An order's id begins with its sale's and a dot: the rows of a sale are one range of the key.
orders = sa.Table(
    "orders",
    METADATA,
    sa.Column("id", ORDER, primary_key=True),
    sa.Column("sale_id", ID, nullable=False),
    sa.Column("room_id", ID, nullable=False),
    sa.Column("user_id", USER, nullable=False),
    sa.Column("request_id", THEIRS, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("placed_at_ms", sa.BigInteger, nullable=False),
    sa.Column("reserved_at_ms", sa.BigInteger, nullable=True),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=True),
    sa.Column("paid_at_ms", sa.BigInteger, nullable=True),
    sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("durability", sa.String(16), nullable=False),
    sa.Column("payment_id", THEIRS, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),  # of the move that the row stands at
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("discount_minor", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("coupons", sa.Text, nullable=False, server_default=""),  # ids, joined by commas
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("sale_id", "user_id", "request_id"),
    sa.CheckConstraint(
        "state IN ('queued', 'reserved', 'paid', 'cancelled', 'expired', 'refunded')", name="state"
    ),
    sa.CheckConstraint("amount_minor >= 0", name="amount_minor"),
    sa.CheckConstraint("position >= 0", name="position"),
    sa.CheckConstraint("discount_minor >= 0", name="discount_minor"),
    sa.Index(None, "user_id", "placed_at_ms"),
    sa.Index(None, "sale_id", "placed_at_ms"),
    sa.Index(None, "placed_at_ms"),
)

order_lines = sa.Table(
    "order_lines",
    METADATA,
    sa.Column("order_id", ORDER, sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sku", ID, nullable=False),
    sa.Column("qty", sa.BigInteger, nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),  # of a unit, markup and all
    sa.Column("markup_minor", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint("qty > 0", name="qty"),
    sa.CheckConstraint("price_minor >= 0", name="price_minor"),
    sa.CheckConstraint("markup_minor >= 0 AND markup_minor <= price_minor", name="markup_minor"),
    sqlite_with_rowid=False,
)

# The audit trail: every move, whole. `digest` tells a move that came twice from another one.
sale_moves = sa.Table(
    "sale_moves",
    METADATA,
    sa.Column("sale_id", ID, sa.ForeignKey("sales.id"), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("order_id", ORDER, nullable=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary(16), nullable=False),
    sa.Column("facts", sa.Text, nullable=False),  # JSON: the move
    sa.CheckConstraint("epoch >= 1 AND seq >= 1", name="seq"),
    sqlite_with_rowid=False,
)

# A payment told of a second order is answered `mismatch` by the store, which makes no move of it:
# it is no row here, and nothing is owed back for it. The key names the order all the same: a store
# that was rebuilt without its memory may take one payment for two orders, and nothing that came is
# left out. What a provider says of currencies is kept as it was said: a wrong one is owed back.
payments = sa.Table(
    "payments",
    METADATA,
    sa.Column("order_id", ORDER, primary_key=True),
    sa.Column("provider", sa.String(32), primary_key=True),
    sa.Column("id", THEIRS, primary_key=True),
    sa.Column("sale_id", ID, nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("outcome IN ('accepted', 'late', 'surplus', 'mismatch')", name="outcome"),
    sqlite_with_rowid=False,
)

refunds = sa.Table(
    "refunds",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("payment_id", THEIRS, nullable=False),
    sa.Column("order_id", ORDER, nullable=False),
    sa.Column("sale_id", ID, nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at_ms", sa.BigInteger, nullable=False),
    sa.Column("last_error", sa.Text, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("done_at_ms", sa.BigInteger, nullable=True),
    sa.UniqueConstraint("order_id", "payment_id"),
    sa.CheckConstraint("reason IN ('refunded', 'late', 'surplus', 'mismatch')", name="reason"),
    sa.CheckConstraint("state IN ('due', 'done', 'failed')", name="state"),
    sa.CheckConstraint("attempts >= 0", name="attempts"),
    sa.Index(None, "state", "next_at_ms"),
)

stock_moves = sa.Table(
    "stock_moves",
    METADATA,
    sa.Column("sale_id", ID, sa.ForeignKey("sales.id"), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sku", ID, primary_key=True),
    sa.Column("delta", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("kind IN ('put_on_sale', 'restock', 'write_off', 'allocate')", name="kind"),
    sqlite_with_rowid=False,
)

# What the ledger could not take in. Somebody must look at it; nothing removes it by itself.
ledger_set_aside = sa.Table(
    "ledger_set_aside",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sale_id", ID, nullable=False),
    sa.Column("entry_id", sa.String(64), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("sale_id", "entry_id"),
)

webhook_events = sa.Table(
    "webhook_events",
    METADATA,
    sa.Column("provider", sa.String(32), primary_key=True),
    sa.Column("event_id", THEIRS, primary_key=True),
    sa.Column("order_id", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("received_at_ms", sa.BigInteger, nullable=False),
    sa.Column("body_digest", sa.String(64), nullable=False),
    sqlite_with_rowid=False,
)
