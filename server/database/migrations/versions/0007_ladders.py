"""Ladders, arrivals, rewards granted and the pools they come from."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")


def upgrade() -> None:
    _make_ladders()
    _make_tiers()
    _make_arrivals()
    _make_members()
    _make_grants()


def _text(name: str, kind: sa.types.TypeEngine[str] | type[sa.Text] = sa.Text) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable, autoincrement=False)


def _small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, autoincrement=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _index(table: str, *columns: str) -> None:
    op.create_index("_".join(["ix", table, *columns]), table, list(columns))


def _make_ladders() -> None:
    op.create_table(
        "ladders",
        _text("id", ID),
        _text("room_id", ID),
        _text("title"),
        _text("currency", sa.String(3)),
        _text("state", sa.String(16)),
        _number("budget_minor"),
        _number("taken_minor"),
        _number("starts_at_ms"),
        _number("ends_at_ms"),
        _text("thresholds"),
        _text("newcomer_batch", ID),
        _number("newcomer_stock"),
        _number("newcomer_left"),
        _number("newcomer_cost_minor"),
        _number("created_at_ms"),
        _number("published_at_ms", nullable=True),
        _number("ended_at_ms", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ladders"),
        sa.CheckConstraint("length(currency) = 3", name="ck_ladders_currency"),
        sa.CheckConstraint("state IN ('draft', 'published', 'ended')", name="ck_ladders_state"),
        sa.CheckConstraint(
            "taken_minor >= 0 AND taken_minor <= budget_minor", name="ck_ladders_budget"
        ),
        sa.CheckConstraint(
            "newcomer_left >= 0 AND newcomer_left <= newcomer_stock",
            name="ck_ladders_newcomer_left",
        ),
        sa.CheckConstraint("starts_at_ms <= ends_at_ms", name="ck_ladders_ends_at_ms"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_ladders_room_id"),
    )
    _index("ladders", "room_id", "state")
    _index("ladders", "state", "ends_at_ms")


def _make_tiers() -> None:
    op.create_table(
        "ladder_tiers",
        _text("ladder_id", ID),
        _small("number"),
        _number("needs"),
        _text("kind", sa.String(16)),
        _text("title"),
        _number("stock"),
        _number("left_units"),
        _number("opened"),
        _number("cost_minor"),
        _number("points"),
        _text("coupon_batch", ID),
        _number("pool_minor"),
        sa.PrimaryKeyConstraint("ladder_id", "number", name="pk_ladder_tiers"),
        sa.CheckConstraint(
            "kind IN ('coupon', 'points', 'red_packet', 'voucher')", name="ck_ladder_tiers_kind"
        ),
        sa.CheckConstraint("number >= 1 AND needs >= 1", name="ck_ladder_tiers_needs"),
        sa.CheckConstraint("left_units >= 0 AND opened >= 0", name="ck_ladder_tiers_left_units"),
        sa.CheckConstraint("left_units + opened <= stock", name="ck_ladder_tiers_stock"),
        sa.CheckConstraint(
            "cost_minor >= 0 AND points >= 0 AND pool_minor >= 0", name="ck_ladder_tiers_cost_minor"
        ),
        sa.ForeignKeyConstraint(["ladder_id"], ["ladders.id"], name="fk_ladder_tiers_ladder_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ladder_shares",
        _text("ladder_id", ID),
        _small("tier"),
        _number("number"),
        _number("amount_minor"),
        sa.Column("grant_id", ID, nullable=True),
        _flag("returned"),
        sa.PrimaryKeyConstraint("ladder_id", "tier", "number", name="pk_ladder_shares"),
        sa.ForeignKeyConstraint(
            ["ladder_id", "tier"],
            ["ladder_tiers.ladder_id", "ladder_tiers.number"],
            name="fk_ladder_shares_ladder_id",
        ),
        sa.UniqueConstraint("grant_id", name="uq_ladder_shares_grant_id"),
        sa.CheckConstraint(
            "number >= 1 AND amount_minor >= 1", name="ck_ladder_shares_amount_minor"
        ),
        sa.CheckConstraint(
            "NOT (returned AND grant_id IS NOT NULL)", name="ck_ladder_shares_returned"
        ),
        sqlite_with_rowid=False,
    )


def _make_arrivals() -> None:
    op.create_table(
        "arrivals",
        _text("ladder_id", ID),
        _text("visit_id", ID),
        _text("room_id", ID),
        _text("inviter", USER),
        _text("link", ID),
        _text("channel"),
        _text("app"),
        _text("user_id", USER),
        _text("person", USER),
        _text("device", ID),
        _text("net", ID),
        _text("agent", ID),
        _number("entered_at_ms"),
        _number("last_at_ms"),
        _number("visible_ms"),
        _number("actions"),
        _number("first_action_at_ms", nullable=True),
        _number("faults"),
        _number("qualified_at_ms", nullable=True),
        _number("due_at_ms", nullable=True),
        _text("verdict", sa.String(24)),
        _number("judged_at_ms", nullable=True),
        _text("rewarded", sa.String(16)),
        sa.PrimaryKeyConstraint("ladder_id", "visit_id", name="pk_arrivals"),
        sa.CheckConstraint("inviter <> ''", name="ck_arrivals_inviter"),
        sa.CheckConstraint("rewarded IN ('', 'inviter', 'arrival')", name="ck_arrivals_rewarded"),
        sa.CheckConstraint(
            "(due_at_ms IS NULL) = (verdict NOT IN ('open', 'qualified'))",
            name="ck_arrivals_due_at_ms",
        ),
        sa.ForeignKeyConstraint(["ladder_id"], ["ladders.id"], name="fk_arrivals_ladder_id"),
        sqlite_with_rowid=False,
    )
    _index("arrivals", "due_at_ms")
    _index("arrivals", "ladder_id", "device")
    _index("arrivals", "ladder_id", "entered_at_ms", "visit_id")
    _index("arrivals", "ladder_id", "inviter", "verdict")
    _index("arrivals", "ladder_id", "net", "qualified_at_ms")
    _index("arrivals", "ladder_id", "net", "agent", "qualified_at_ms")
    _index("arrivals", "ladder_id", "person")
    _index("arrivals", "ladder_id", "user_id")
    _index("arrivals", "ladder_id", "verdict", "entered_at_ms")


def _make_members() -> None:
    op.create_table(
        "ladder_members",
        _text("ladder_id", ID),
        _text("user_id", USER),
        _text("name"),
        _number("valid"),
        _number("reached_at_ms"),
        _text("lot", sa.String(16)),
        _number("changes"),
        _flag("told"),
        sa.PrimaryKeyConstraint("ladder_id", "user_id", name="pk_ladder_members"),
        sa.CheckConstraint("valid >= 0 AND changes >= 0", name="ck_ladder_members_valid"),
        sa.ForeignKeyConstraint(["ladder_id"], ["ladders.id"], name="fk_ladder_members_ladder_id"),
        sqlite_with_rowid=False,
    )
    _index("ladder_members", "ladder_id", "valid", "reached_at_ms")
    _index("ladder_members", "told")


def _make_grants() -> None:
    op.create_table(
        "ladder_grants",
        _text("id", ID),
        _text("ladder_id", ID),
        _text("room_id", ID),
        _text("user_id", USER),
        _small("tier"),
        _text("kind", sa.String(16)),
        _text("title"),
        _text("state", sa.String(16)),
        _text("why"),
        _number("points"),
        _text("coupon", ID),
        sa.Column("code", sa.String(16), nullable=True),
        _number("value_minor"),
        _text("currency", sa.String(3)),
        _number("at_ms"),
        _number("expires_at_ms", nullable=True),
        _number("done_at_ms", nullable=True),
        _text("request_id"),
        _flag("told"),
        sa.PrimaryKeyConstraint("id", name="pk_ladder_grants"),
        sa.UniqueConstraint(
            "ladder_id", "user_id", "tier", name="uq_ladder_grants_ladder_id_user_id_tier"
        ),
        sa.UniqueConstraint("code", name="uq_ladder_grants_code"),
        sa.CheckConstraint(
            "state IN ('granted', 'opened', 'redeemed', 'expired', 'missed')",
            name="ck_ladder_grants_state",
        ),
        sa.CheckConstraint(
            "kind IN ('coupon', 'points', 'red_packet', 'voucher')", name="ck_ladder_grants_kind"
        ),
        sa.ForeignKeyConstraint(["ladder_id"], ["ladders.id"], name="fk_ladder_grants_ladder_id"),
    )
    _index("ladder_grants", "ladder_id", "at_ms", "id")
    _index("ladder_grants", "state", "expires_at_ms")
    _index("ladder_grants", "told", "at_ms")
    _index("ladder_grants", "user_id", "at_ms")
    op.create_table(
        "ladder_rankings",
        _text("ladder_id", ID),
        _small("rank"),
        _text("user_id", USER),
        _text("name"),
        _number("valid"),
        _number("reached_at_ms"),
        sa.PrimaryKeyConstraint("ladder_id", "rank", name="pk_ladder_rankings"),
        sa.UniqueConstraint("ladder_id", "user_id", name="uq_ladder_rankings_ladder_id_user_id"),
        sa.ForeignKeyConstraint(["ladder_id"], ["ladders.id"], name="fk_ladder_rankings_ladder_id"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
