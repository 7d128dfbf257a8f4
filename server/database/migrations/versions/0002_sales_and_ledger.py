"""Sales, their orders, and the append-only ledger of every move, payment and unit."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
ORDER = sa.String(96).with_variant(sa.String(96, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
THEIRS = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

# Table -> its primary key. On SQLite INSERT OR REPLACE deletes without running the DELETE
# trigger, so a second row with the same key is refused as well.
APPEND_ONLY = {
    "sale_moves": ("sale_id", "epoch", "seq"),
    "payments": ("order_id", "provider", "id"),
    "stock_moves": ("sale_id", "epoch", "seq", "sku"),
    "webhook_events": ("provider", "event_id"),
}


def upgrade() -> None:
    _make_sales()
    _make_orders()
    _make_moves()
    _make_money()
    _make_refunds()
    _make_set_aside()
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, key in APPEND_ONLY.items():
        for statement in _sqlite_guards(table, key) if on_sqlite else _postgres_guards(table):
            op.execute(statement)


def _text(name: str, kind: sa.types.TypeEngine[str] | type[sa.Text] = sa.Text) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable, autoincrement=False)


def _small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, autoincrement=False)


def _make_sales() -> None:
    op.create_table(
        "sales",
        _text("id", ID),
        _text("room_id", ID),
        _text("currency", sa.String(3)),
        _text("state", sa.String(16)),
        _small("epoch"),
        _number("seq"),
        _number("moves"),
        _number("state_seq"),
        _number("starts_at_ms", nullable=True),
        _number("ends_at_ms", nullable=True),
        _number("hold_ms"),
        _number("offer_ms"),
        _text("reason"),
        _number("created_at_ms"),
        _number("settled_at_ms", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sales"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_sales_room_id"),
        sa.CheckConstraint("length(currency) = 3", name="ck_sales_currency"),
        sa.CheckConstraint(
            "state IN ('draft', 'armed', 'countdown', 'open', 'sold_out', 'paused', 'closed',"
            " 'frozen')",
            name="ck_sales_state",
        ),
        sa.CheckConstraint("epoch >= 1", name="ck_sales_epoch"),
        sa.CheckConstraint("moves >= 0 AND seq >= moves AND seq >= state_seq", name="ck_sales_seq"),
        sa.CheckConstraint("hold_ms > 0 AND offer_ms > 0", name="ck_sales_hold_ms"),
    )
    op.create_index("ix_sales_room_id", "sales", ["room_id"])
    op.create_index("ix_sales_settled_at_ms", "sales", ["settled_at_ms"])
    op.create_table(
        "sale_items",
        _text("sale_id", ID),
        _text("sku", ID),
        _small("position"),
        _text("product_id", ID),
        _text("title"),
        _number("stock"),
        _number("price_minor"),
        _number("per_user_max"),
        sa.PrimaryKeyConstraint("sale_id", "sku", name="pk_sale_items"),
        sa.ForeignKeyConstraint(["sale_id"], ["sales.id"], name="fk_sale_items_sale_id"),
        sa.ForeignKeyConstraint(
            ["product_id", "sku"],
            ["product_skus.product_id", "product_skus.sku"],
            name="fk_sale_items_product_id",
        ),
        sa.UniqueConstraint("sale_id", "position", name="uq_sale_items_sale_id_position"),
        sa.CheckConstraint("position >= 0", name="ck_sale_items_position"),
        sa.CheckConstraint("stock >= 0", name="ck_sale_items_stock"),
        sa.CheckConstraint("price_minor >= 0", name="ck_sale_items_price_minor"),
        sa.CheckConstraint("per_user_max >= 1", name="ck_sale_items_per_user_max"),
    )


def _make_orders() -> None:
    op.create_table(
        "orders",
        _text("id", ORDER),
        _text("sale_id", ID),
        _text("room_id", ID),
        _text("user_id", USER),
        _text("request_id", THEIRS),
        _text("state", sa.String(16)),
        _number("amount_minor"),
        _text("currency", sa.String(3)),
        _number("placed_at_ms"),
        _number("reserved_at_ms", nullable=True),
        _number("expires_at_ms", nullable=True),
        _number("paid_at_ms", nullable=True),
        _number("changed_at_ms"),
        _number("position"),
        _text("durability", sa.String(16)),
        _text("payment_id", THEIRS),
        _text("name"),
        _small("epoch"),
        _number("seq"),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.UniqueConstraint(
            "sale_id", "user_id", "request_id", name="uq_orders_sale_id_user_id_request_id"
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'reserved', 'paid', 'cancelled', 'expired', 'refunded')",
            name="ck_orders_state",
        ),
        sa.CheckConstraint("amount_minor >= 0", name="ck_orders_amount_minor"),
        sa.CheckConstraint("position >= 0", name="ck_orders_position"),
    )
    for columns in (["user_id", "placed_at_ms"], ["sale_id", "placed_at_ms"], ["placed_at_ms"]):
        op.create_index("_".join(["ix_orders", *columns]), "orders", columns)
    op.create_table(
        "order_lines",
        _text("order_id", ORDER),
        _small("position"),
        _text("sku", ID),
        _number("qty"),
        _number("price_minor"),
        sa.PrimaryKeyConstraint("order_id", "position", name="pk_order_lines"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_lines_order_id"),
        sa.CheckConstraint("qty > 0", name="ck_order_lines_qty"),
        sa.CheckConstraint("price_minor >= 0", name="ck_order_lines_price_minor"),
        sqlite_with_rowid=False,
    )


def _make_moves() -> None:
    op.create_table(
        "sale_moves",
        _text("sale_id", ID),
        _small("epoch"),
        _number("seq"),
        _number("at_ms"),
        _text("kind", sa.String(16)),
        sa.Column("order_id", ORDER, nullable=True),
        _text("actor"),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        _text("facts"),
        sa.PrimaryKeyConstraint("sale_id", "epoch", "seq", name="pk_sale_moves"),
        sa.ForeignKeyConstraint(["sale_id"], ["sales.id"], name="fk_sale_moves_sale_id"),
        sa.CheckConstraint("epoch >= 1 AND seq >= 1", name="ck_sale_moves_seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stock_moves",
        _text("sale_id", ID),
        _small("epoch"),
        _number("seq"),
        _text("sku", ID),
        _number("delta"),
        _text("kind", sa.String(16)),
        _text("actor"),
        _text("reason"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("sale_id", "epoch", "seq", "sku", name="pk_stock_moves"),
        sa.ForeignKeyConstraint(["sale_id"], ["sales.id"], name="fk_stock_moves_sale_id"),
        sa.CheckConstraint(
            "kind IN ('put_on_sale', 'restock', 'write_off', 'allocate')",
            name="ck_stock_moves_kind",
        ),
        sqlite_with_rowid=False,
    )


def _make_money() -> None:
    op.create_table(
        "payments",
        _text("order_id", ORDER),
        _text("provider", sa.String(32)),
        _text("id", THEIRS),
        _text("sale_id", ID),
        _number("amount_minor"),
        _text("currency"),
        _text("outcome", sa.String(16)),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("order_id", "provider", "id", name="pk_payments"),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'late', 'surplus', 'mismatch')", name="ck_payments_outcome"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhook_events",
        _text("provider", sa.String(32)),
        _text("event_id", THEIRS),
        _text("order_id"),
        _text("outcome"),
        _number("received_at_ms"),
        _text("body_digest", sa.String(64)),
        sa.PrimaryKeyConstraint("provider", "event_id", name="pk_webhook_events"),
        sqlite_with_rowid=False,
    )


def _make_refunds() -> None:
    op.create_table(
        "refunds",
        _text("id", ID),
        _text("payment_id", THEIRS),
        _text("order_id", ORDER),
        _text("sale_id", ID),
        _number("amount_minor"),
        _text("currency"),
        _text("reason", sa.String(16)),
        _text("state", sa.String(8)),
        _small("attempts"),
        _number("next_at_ms"),
        _text("last_error"),
        _number("created_at_ms"),
        _number("done_at_ms", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
        sa.UniqueConstraint("order_id", "payment_id", name="uq_refunds_order_id_payment_id"),
        sa.CheckConstraint(
            "reason IN ('refunded', 'late', 'surplus', 'mismatch')", name="ck_refunds_reason"
        ),
        sa.CheckConstraint("state IN ('due', 'done', 'failed')", name="ck_refunds_state"),
        sa.CheckConstraint("attempts >= 0", name="ck_refunds_attempts"),
    )
    op.create_index("ix_refunds_state_next_at_ms", "refunds", ["state", "next_at_ms"])


def _make_set_aside() -> None:
    op.create_table(
        "ledger_set_aside",
        sa.Column("id", sa.Integer, nullable=False),
        _text("sale_id", ID),
        _text("entry_id", sa.String(64)),
        _small("epoch"),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        _text("error"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_set_aside"),
        sa.UniqueConstraint("sale_id", "entry_id", name="uq_ledger_set_aside_sale_id_entry_id"),
    )


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
    raise NotImplementedError("the ledger is never dropped; restore a backup instead")
