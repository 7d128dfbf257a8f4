"""Coupons, accounts in double entry, commissions and the sources of orders."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
ORDER = sa.String(96).with_variant(sa.String(96, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
THEIRS = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
NAME = sa.String(400).with_variant(sa.String(400, collation="C"), "postgresql")

APPEND_ONLY = {"transactions": ("id",), "postings": ("transaction_id", "account", "unit")}


def upgrade() -> None:
    _make_coupons()
    _make_claims()
    _make_accounts()
    _make_sources()
    _make_commissions()
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, key in APPEND_ONLY.items():
        for statement in _sqlite_guards(table, key) if on_sqlite else _postgres_guards(table):
            op.execute(statement)


def _text(name: str, kind: sa.types.TypeEngine[str] | type[sa.Text] = sa.Text) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable, autoincrement=False)


def _small(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=nullable, autoincrement=False)


def _make_coupons() -> None:
    op.create_table(
        "coupon_batches",
        _text("id", ID),
        _text("title"),
        _text("kind", sa.String(16)),
        _text("currency", sa.String(3)),
        _number("amount_minor"),
        _small("percent_bp"),
        _number("cap_minor"),
        _number("threshold_minor"),
        _text("scope"),
        _number("starts_at_ms", nullable=True),
        _number("ends_at_ms", nullable=True),
        _small("valid_days", nullable=True),
        _small("per_user_max"),
        _text("stack", ID),
        _number("issue_max"),
        _number("issued"),
        _number("created_at_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_coupon_batches"),
        sa.CheckConstraint(
            "kind IN ('percent', 'threshold', 'amount')", name="ck_coupon_batches_kind"
        ),
        sa.CheckConstraint("length(currency) = 3", name="ck_coupon_batches_currency"),
        sa.CheckConstraint(
            "amount_minor >= 0 AND cap_minor >= 0", name="ck_coupon_batches_amount_minor"
        ),
        sa.CheckConstraint("percent_bp BETWEEN 0 AND 10000", name="ck_coupon_batches_percent_bp"),
        sa.CheckConstraint("threshold_minor >= 0", name="ck_coupon_batches_threshold_minor"),
        sa.CheckConstraint("per_user_max >= 1", name="ck_coupon_batches_per_user_max"),
        sa.CheckConstraint("issued BETWEEN 0 AND issue_max", name="ck_coupon_batches_issued"),
    )
    op.create_table(
        "coupons",
        _text("id", ID),
        _text("batch_id", ID),
        _text("user_id", USER),
        _text("state", sa.String(8)),
        _text("cause", THEIRS),
        _number("granted_at_ms"),
        _number("expires_at_ms", nullable=True),
        sa.Column("order_id", ORDER, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_coupons"),
        sa.ForeignKeyConstraint(["batch_id"], ["coupon_batches.id"], name="fk_coupons_batch_id"),
        sa.UniqueConstraint("cause", name="uq_coupons_cause"),
        sa.CheckConstraint("state IN ('granted', 'held', 'spent')", name="ck_coupons_state"),
        sa.CheckConstraint("(state = 'granted') = (order_id IS NULL)", name="ck_coupons_order_id"),
    )
    op.create_index("ix_coupons_user_id_granted_at_ms", "coupons", ["user_id", "granted_at_ms"])
    op.create_index("ix_coupons_batch_id_user_id", "coupons", ["batch_id", "user_id"])


def _make_claims() -> None:
    op.create_table(
        "coupon_claims",
        _text("order_id", ORDER),
        _text("sale_id", ID),
        _text("user_id", USER),
        _text("request_id", THEIRS),
        _text("ask"),
        _number("discount_minor"),
        _text("rules"),
        _text("state", sa.String(8)),
        _number("claimed_at_ms"),
        _number("changed_at_ms"),
        sa.PrimaryKeyConstraint("order_id", name="pk_coupon_claims"),
        sa.CheckConstraint(
            "state IN ('held', 'spent', 'returned', 'reversed')", name="ck_coupon_claims_state"
        ),
        sa.CheckConstraint("discount_minor >= 0", name="ck_coupon_claims_discount_minor"),
    )
    op.create_index(
        "ix_coupon_claims_state_claimed_at_ms", "coupon_claims", ["state", "claimed_at_ms"]
    )
    op.create_table(
        "coupon_claim_parts",
        _text("order_id", ORDER),
        _text("coupon_id", ID),
        _text("batch_id", ID),
        _number("minor"),
        sa.PrimaryKeyConstraint("order_id", "coupon_id", name="pk_coupon_claim_parts"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["coupon_claims.order_id"], name="fk_coupon_claim_parts_order_id"
        ),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name="fk_coupon_claim_parts_coupon_id"
        ),
        sa.CheckConstraint("minor >= 0", name="ck_coupon_claim_parts_minor"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_coupon_claim_parts_batch_id", "coupon_claim_parts", ["batch_id"])
    op.create_index("ix_coupon_claim_parts_coupon_id", "coupon_claim_parts", ["coupon_id"])


def _make_accounts() -> None:
    op.create_table(
        "transactions",
        _text("id", NAME),
        _text("kind", sa.String(32)),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        sa.CheckConstraint("kind <> ''", name="ck_transactions_kind"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "postings",
        _text("transaction_id", NAME),
        _text("account", NAME),
        _text("unit", sa.String(16)),
        _number("amount"),
        sa.PrimaryKeyConstraint("transaction_id", "account", "unit", name="pk_postings"),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transactions.id"], name="fk_postings_transaction_id"
        ),
        sa.CheckConstraint("amount <> 0", name="ck_postings_amount"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_postings_account_unit", "postings", ["account", "unit"])


def _make_sources() -> None:
    op.create_table(
        "order_sources",
        _text("order_id", ORDER),
        _text("room_id", ID),
        _text("sale_id", ID),
        _text("visit", sa.String(64)),
        _text("channel"),
        _text("campaign"),
        _text("staff"),
        _text("inviter", USER),
        _text("link", sa.String(64)),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("order_id", name="pk_order_sources"),
    )
    op.create_index("ix_order_sources_visit", "order_sources", ["visit"])


def _make_commissions() -> None:
    op.create_table(
        "commission_plans",
        _text("room_id", ID),
        _small("level1_bp"),
        _small("level2_bp"),
        _small("window_days"),
        _number("changed_at_ms"),
        sa.PrimaryKeyConstraint("room_id", name="pk_commission_plans"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_commission_plans_room_id"),
        sa.CheckConstraint("level1_bp BETWEEN 0 AND 10000", name="ck_commission_plans_level1_bp"),
        sa.CheckConstraint("level2_bp BETWEEN 0 AND 10000", name="ck_commission_plans_level2_bp"),
        sa.CheckConstraint("window_days >= 0", name="ck_commission_plans_window_days"),
    )
    op.create_table(
        "commission_due",
        _text("order_id", ORDER),
        _text("room_id", ID),
        _text("buyer", USER),
        _text("currency", sa.String(3)),
        _number("base_minor"),
        _number("markup_minor"),
        _text("sharer", USER),
        _small("level1_bp"),
        _small("level2_bp"),
        _number("window_ms"),
        _number("placed_at_ms"),
        _number("paid_at_ms"),
        _text("state", sa.String(8)),
        sa.PrimaryKeyConstraint("order_id", name="pk_commission_due"),
        sa.CheckConstraint("state IN ('due', 'decided', 'void')", name="ck_commission_due_state"),
    )
    op.create_index(
        "ix_commission_due_state_placed_at_ms", "commission_due", ["state", "placed_at_ms"]
    )
    op.create_table(
        "commissions",
        _text("order_id", ORDER),
        _small("level"),
        _text("room_id", ID),
        _text("user_id", USER),
        _number("base_minor"),
        _number("amount_minor"),
        _text("currency", sa.String(3)),
        _text("state", sa.String(16)),
        _number("accrued_at_ms"),
        _number("release_at_ms"),
        _number("changed_at_ms"),
        sa.PrimaryKeyConstraint("order_id", "level", name="pk_commissions"),
        sa.CheckConstraint("level BETWEEN 0 AND 2", name="ck_commissions_level"),
        sa.CheckConstraint("amount_minor > 0", name="ck_commissions_amount_minor"),
        sa.CheckConstraint(
            "state IN ('pending', 'available', 'reversed')", name="ck_commissions_state"
        ),
    )
    for columns in (
        ["state", "release_at_ms"],
        ["user_id", "accrued_at_ms"],
        ["room_id", "accrued_at_ms"],
        ["accrued_at_ms"],
    ):
        op.create_index("_".join(["ix_commissions", *columns]), "commissions", columns)


def _sqlite_guards(table: str, key: tuple[str, ...]) -> tuple[str, ...]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    return (
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
        f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) {refuse}",
    )


def _postgres_guards(table: str) -> tuple[str, ...]:
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    )


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
