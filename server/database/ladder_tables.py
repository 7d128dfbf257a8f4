"""The tables of ladders, arrivals and rewards. A migration makes them; a test compares the two.

What an arrival was judged by is kept with it: it stays readable when the visit is gone.
"""

from __future__ import annotations

import sqlalchemy as sa

from server.database.tables import ID, METADATA, USER

# `taken_minor` is what rewards have taken from the budget; pools of red packets are taken whole
# when the ladder is published, and what nobody opened is given back.
ladders = sa.Table(
    "ladders",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("room_id", ID, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("budget_minor", sa.BigInteger, nullable=False),
    sa.Column("taken_minor", sa.BigInteger, nullable=False),
    sa.Column("starts_at_ms", sa.BigInteger, nullable=False),
    sa.Column("ends_at_ms", sa.BigInteger, nullable=False),
    sa.Column("thresholds", sa.Text, nullable=False),  # JSON
    sa.Column("newcomer_batch", ID, nullable=False),
    sa.Column("newcomer_stock", sa.BigInteger, nullable=False),
    sa.Column("newcomer_left", sa.BigInteger, nullable=False),
    sa.Column("newcomer_cost_minor", sa.BigInteger, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("published_at_ms", sa.BigInteger, nullable=True),
    sa.Column("ended_at_ms", sa.BigInteger, nullable=True),
    sa.CheckConstraint("length(currency) = 3", name="currency"),
    sa.CheckConstraint("state IN ('draft', 'published', 'ended')", name="state"),
    sa.CheckConstraint("taken_minor >= 0 AND taken_minor <= budget_minor", name="budget"),
    sa.CheckConstraint(
        "newcomer_left >= 0 AND newcomer_left <= newcomer_stock", name="newcomer_left"
    ),
    sa.CheckConstraint("starts_at_ms <= ends_at_ms", name="ends_at_ms"),
    sa.Index(None, "room_id", "state"),
    sa.Index(None, "state", "ends_at_ms"),
)

ladder_tiers = sa.Table(
    "ladder_tiers",
    METADATA,
    sa.Column("ladder_id", ID, sa.ForeignKey("ladders.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("needs", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("stock", sa.BigInteger, nullable=False),
    sa.Column("left_units", sa.BigInteger, nullable=False),
    sa.Column("opened", sa.BigInteger, nullable=False),  # shares of the pool, in their order
    sa.Column("cost_minor", sa.BigInteger, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("coupon_batch", ID, nullable=False),
    sa.Column("pool_minor", sa.BigInteger, nullable=False),
    sa.CheckConstraint("kind IN ('coupon', 'points', 'red_packet', 'voucher')", name="kind"),
    sa.CheckConstraint("number >= 1 AND needs >= 1", name="needs"),
    sa.CheckConstraint("left_units >= 0 AND opened >= 0", name="left_units"),
    sa.CheckConstraint("left_units + opened <= stock", name="stock"),
    sa.CheckConstraint("cost_minor >= 0 AND points >= 0 AND pool_minor >= 0", name="cost_minor"),
    sqlite_with_rowid=False,
)

# The pool of a red packet, split when its ladder was published. They are opened from the first
# on; shares to which nobody has a right any more return from the last on.
ladder_shares = sa.Table(
    "ladder_shares",
    METADATA,
    sa.Column("ladder_id", ID, primary_key=True),
    sa.Column("tier", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("grant_id", ID, nullable=True),
    sa.Column("returned", sa.Boolean, nullable=False),
    sa.ForeignKeyConstraint(
        ["ladder_id", "tier"], ["ladder_tiers.ladder_id", "ladder_tiers.number"]
    ),
    sa.UniqueConstraint("grant_id"),
    sa.CheckConstraint("number >= 1 AND amount_minor >= 1", name="amount_minor"),
    sa.CheckConstraint("NOT (returned AND grant_id IS NOT NULL)", name="returned"),
    sqlite_with_rowid=False,
)

# One row per invited visit and ladder. `due_at_ms` is null once it is judged; the verdict is final.
arrivals = sa.Table(
    "arrivals",
    METADATA,
    sa.Column("ladder_id", ID, sa.ForeignKey("ladders.id"), primary_key=True),
    sa.Column("visit_id", ID, primary_key=True),
    sa.Column("room_id", ID, nullable=False),
    sa.Column("inviter", USER, nullable=False),
    sa.Column("link", ID, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("user_id", USER, nullable=False),
    sa.Column("person", USER, nullable=False),
    sa.Column("device", ID, nullable=False),
    sa.Column("net", ID, nullable=False),
    sa.Column("agent", ID, nullable=False),
    sa.Column("entered_at_ms", sa.BigInteger, nullable=False),
    sa.Column("last_at_ms", sa.BigInteger, nullable=False),
    sa.Column("visible_ms", sa.BigInteger, nullable=False),
    sa.Column("actions", sa.BigInteger, nullable=False),
    sa.Column("first_action_at_ms", sa.BigInteger, nullable=True),
    sa.Column("faults", sa.BigInteger, nullable=False),
    sa.Column("qualified_at_ms", sa.BigInteger, nullable=True),
    sa.Column("due_at_ms", sa.BigInteger, nullable=True),
    sa.Column("verdict", sa.String(24), nullable=False),
    sa.Column("judged_at_ms", sa.BigInteger, nullable=True),
    sa.Column("rewarded", sa.String(16), nullable=False),  # whom it counted for, or empty
    sa.CheckConstraint("inviter <> ''", name="inviter"),
    sa.CheckConstraint("rewarded IN ('', 'inviter', 'arrival')", name="rewarded"),
    sa.CheckConstraint(
        "(due_at_ms IS NULL) = (verdict NOT IN ('open', 'qualified'))", name="due_at_ms"
    ),
    sa.Index(None, "due_at_ms"),
    sa.Index(None, "ladder_id", "inviter", "verdict"),
    sa.Index(None, "ladder_id", "verdict", "entered_at_ms"),
    sa.Index(None, "ladder_id", "entered_at_ms", "visit_id"),
    sa.Index(None, "ladder_id", "device"),
    sa.Index(None, "ladder_id", "user_id"),
    sa.Index(None, "ladder_id", "person"),
    sa.Index(None, "ladder_id", "net", "qualified_at_ms"),
    sa.Index(None, "ladder_id", "net", "agent", "qualified_at_ms"),
    sqlite_with_rowid=False,
)

# How far each inviter has climbed. `reached_at_ms`: when the last of `valid` had qualified.
# `told`: whether its person was told of the last of its `changes`; at least once, maybe again.
ladder_members = sa.Table(
    "ladder_members",
    METADATA,
    sa.Column("ladder_id", ID, sa.ForeignKey("ladders.id"), primary_key=True),
    sa.Column("user_id", USER, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("valid", sa.BigInteger, nullable=False),
    sa.Column("reached_at_ms", sa.BigInteger, nullable=False),
    sa.Column("lot", sa.String(16), nullable=False),  # decides between equals
    sa.Column("changes", sa.BigInteger, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False),
    sa.CheckConstraint("valid >= 0 AND changes >= 0", name="valid"),
    sa.Index(None, "ladder_id", "valid", "reached_at_ms"),
    sa.Index(None, "told"),
    sqlite_with_rowid=False,
)

# Tier 0 is the reward of somebody who arrived. `value_minor` is the amount of an opened packet.
ladder_grants = sa.Table(
    "ladder_grants",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("ladder_id", ID, sa.ForeignKey("ladders.id"), nullable=False),
    sa.Column("room_id", ID, nullable=False),
    sa.Column("user_id", USER, nullable=False),
    sa.Column("tier", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("why", sa.Text, nullable=False),  # of one that was missed
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("coupon", ID, nullable=False),
    sa.Column("code", sa.String(16), nullable=True),  # of a voucher
    sa.Column("value_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=True),  # of a packet nobody has opened yet
    sa.Column("done_at_ms", sa.BigInteger, nullable=True),
    sa.Column("request_id", sa.Text, nullable=False),  # by which a voucher was redeemed
    sa.Column("told", sa.Boolean, nullable=False),
    sa.UniqueConstraint("ladder_id", "user_id", "tier"),
    sa.UniqueConstraint("code"),
    sa.CheckConstraint(
        "state IN ('granted', 'opened', 'redeemed', 'expired', 'missed')", name="state"
    ),
    sa.CheckConstraint("kind IN ('coupon', 'points', 'red_packet', 'voucher')", name="kind"),
    sa.Index(None, "user_id", "at_ms"),
    sa.Index(None, "ladder_id", "at_ms", "id"),
    sa.Index(None, "state", "expires_at_ms"),
    sa.Index(None, "told", "at_ms"),
)

# The ranking as it was at the ladder's end.
ladder_rankings = sa.Table(
    "ladder_rankings",
    METADATA,
    sa.Column("ladder_id", ID, sa.ForeignKey("ladders.id"), primary_key=True),
    sa.Column("rank", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("user_id", USER, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("valid", sa.BigInteger, nullable=False),
    sa.Column("reached_at_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("ladder_id", "user_id"),
    sqlite_with_rowid=False,
)
