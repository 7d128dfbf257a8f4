"""The tables of coupons and what orders claim of them. The migrations make them.

A coupon is held by at most one order at a time; a claim is what one order holds, and what it
takes off. What a coupon's time makes of it is not stored: it follows from `expires_at_ms`.
"""

from __future__ import annotations

import sqlalchemy as sa

from server.database.sale_tables import ORDER, THEIRS
from server.database.tables import ID, METADATA, USER

coupon_batches = sa.Table(
    "coupon_batches",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("percent_bp", sa.Integer, nullable=False),
    sa.Column("cap_minor", sa.BigInteger, nullable=False),
    sa.Column("threshold_minor", sa.BigInteger, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),  # JSON object of lists of ids
    sa.Column("starts_at_ms", sa.BigInteger, nullable=True),
    sa.Column("ends_at_ms", sa.BigInteger, nullable=True),
    sa.Column("valid_days", sa.Integer, nullable=True),  # of a coupon, from when it was granted
    sa.Column("per_user_max", sa.Integer, nullable=False),
    sa.Column("stack", ID, nullable=False),
    sa.Column("issue_max", sa.BigInteger, nullable=False),
    sa.Column("issued", sa.BigInteger, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("kind IN ('percent', 'threshold', 'amount')", name="kind"),
    sa.CheckConstraint("length(currency) = 3", name="currency"),
    sa.CheckConstraint("amount_minor >= 0 AND cap_minor >= 0", name="amount_minor"),
    sa.CheckConstraint("percent_bp BETWEEN 0 AND 10000", name="percent_bp"),
    sa.CheckConstraint("threshold_minor >= 0", name="threshold_minor"),
    sa.CheckConstraint("per_user_max >= 1", name="per_user_max"),
    sa.CheckConstraint("issued BETWEEN 0 AND issue_max", name="issued"),
)

# `cause` is why it was granted, and makes granting take effect once.
coupons = sa.Table(
    "coupons",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("batch_id", ID, sa.ForeignKey("coupon_batches.id"), nullable=False),
    sa.Column("user_id", USER, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("cause", THEIRS, nullable=False),
    sa.Column("granted_at_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=True),
    sa.Column("order_id", ORDER, nullable=True),  # that holds it or has spent it
    sa.UniqueConstraint("cause"),
    sa.CheckConstraint("state IN ('granted', 'held', 'spent')", name="state"),
    sa.CheckConstraint("(state = 'granted') = (order_id IS NULL)", name="order_id"),
    sa.Index(None, "user_id", "granted_at_ms"),
    sa.Index(None, "batch_id", "user_id"),
)

# `ask` is what was asked for, so that another request under the same order id is told from it.
coupon_claims = sa.Table(
    "coupon_claims",
    METADATA,
    sa.Column("order_id", ORDER, primary_key=True),
    sa.Column("sale_id", ID, nullable=False),
    sa.Column("user_id", USER, nullable=False),
    sa.Column("request_id", THEIRS, nullable=False),
    sa.Column("ask", sa.Text, nullable=False),  # JSON
    sa.Column("discount_minor", sa.BigInteger, nullable=False),
    sa.Column("rules", sa.Text, nullable=False),  # JSON: what each coupon does
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("claimed_at_ms", sa.BigInteger, nullable=False),
    sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
    sa.CheckConstraint("state IN ('held', 'spent', 'returned', 'reversed')", name="state"),
    sa.CheckConstraint("discount_minor >= 0", name="discount_minor"),
    sa.Index(None, "state", "claimed_at_ms"),
)

coupon_claim_parts = sa.Table(
    "coupon_claim_parts",
    METADATA,
    sa.Column("order_id", ORDER, sa.ForeignKey("coupon_claims.order_id"), primary_key=True),
    sa.Column("coupon_id", ID, sa.ForeignKey("coupons.id"), primary_key=True),
    sa.Column("batch_id", ID, nullable=False),
    sa.Column("minor", sa.BigInteger, nullable=False),
    sa.CheckConstraint("minor >= 0", name="minor"),
    sa.Index(None, "batch_id"),
    sa.Index(None, "coupon_id"),
    sqlite_with_rowid=False,
)
