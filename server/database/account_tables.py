"""The tables of accounts, commissions and the sources of orders. The migrations make them.

Append-only by triggers: transactions and postings. A balance is the sum of the postings of an
account; of every transaction they sum up to nothing, for each unit.
"""

from __future__ import annotations

import sqlalchemy as sa

from server.database.sale_tables import ORDER
from server.database.tables import ID, METADATA, USER

# Names of accounts and ids of transactions are made of other ids; they sort by their bytes.
NAME = sa.String(400).with_variant(sa.String(400, collation="C"), "postgresql")

APPEND_ONLY = ("transactions", "postings")

transactions = sa.Table(
    "transactions",
    METADATA,
    sa.Column("id", NAME, primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("kind <> ''", name="kind"),
    sqlite_with_rowid=False,
)

# `unit` is a currency, or "points".
postings = sa.Table(
    "postings",
    METADATA,
    sa.Column("transaction_id", NAME, sa.ForeignKey("transactions.id"), primary_key=True),
    sa.Column("account", NAME, primary_key=True),
    sa.Column("unit", sa.String(16), primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.CheckConstraint("amount <> 0", name="amount"),
    sa.Index(None, "account", "unit"),
    sqlite_with_rowid=False,
)

order_sources = sa.Table(
    "order_sources",
    METADATA,
    sa.Column("order_id", ORDER, primary_key=True),
    sa.Column("room_id", ID, nullable=False),
    sa.Column("sale_id", ID, nullable=False),
    sa.Column("visit", sa.String(64), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("staff", sa.Text, nullable=False),
    sa.Column("inviter", USER, nullable=False),
    sa.Column("link", sa.String(64), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Index(None, "visit"),
)

commission_plans = sa.Table(
    "commission_plans",
    METADATA,
    sa.Column("room_id", ID, sa.ForeignKey("rooms.id"), primary_key=True),
    sa.Column("level1_bp", sa.Integer, nullable=False),
    sa.Column("level2_bp", sa.Integer, nullable=False),
    sa.Column("window_days", sa.Integer, nullable=False),
    sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("level1_bp BETWEEN 0 AND 10000", name="level1_bp"),
    sa.CheckConstraint("level2_bp BETWEEN 0 AND 10000", name="level2_bp"),
    sa.CheckConstraint("window_days >= 0", name="window_days"),
)

# Paid orders whose commissions are to be decided, with the plan as it was when they were paid.
commission_due = sa.Table(
    "commission_due",
    METADATA,
    sa.Column("order_id", ORDER, primary_key=True),
    sa.Column("room_id", ID, nullable=False),
    sa.Column("buyer", USER, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("base_minor", sa.BigInteger, nullable=False),
    sa.Column("markup_minor", sa.BigInteger, nullable=False),
    sa.Column("sharer", USER, nullable=False),  # who gets the markup; empty: there is none
    sa.Column("level1_bp", sa.Integer, nullable=False),
    sa.Column("level2_bp", sa.Integer, nullable=False),
    sa.Column("window_ms", sa.BigInteger, nullable=False),
    sa.Column("placed_at_ms", sa.BigInteger, nullable=False),
    sa.Column("paid_at_ms", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.CheckConstraint("state IN ('due', 'decided', 'void')", name="state"),
    sa.Index(None, "state", "placed_at_ms"),
)

# Level 0 is a reseller's markup, 1 who brought the buyer, 2 who brought that one; never a third.
commissions = sa.Table(
    "commissions",
    METADATA,
    sa.Column("order_id", ORDER, primary_key=True),
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("room_id", ID, nullable=False),
    sa.Column("user_id", USER, nullable=False),
    sa.Column("base_minor", sa.BigInteger, nullable=False),  # what it is a share of
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("accrued_at_ms", sa.BigInteger, nullable=False),
    sa.Column("release_at_ms", sa.BigInteger, nullable=False),
    sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("level BETWEEN 0 AND 2", name="level"),
    sa.CheckConstraint("amount_minor > 0", name="amount_minor"),
    sa.CheckConstraint("state IN ('pending', 'available', 'reversed')", name="state"),
    sa.Index(None, "state", "release_at_ms"),
    sa.Index(None, "user_id", "accrued_at_ms"),
    sa.Index(None, "room_id", "accrued_at_ms"),
    sa.Index(None, "accrued_at_ms"),
)
