"""Prices of orders: discounts, markups, coupons and notes."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Table -> column, kind and default, and what must hold of a number.
COLUMNS = {
    "sale_items": [
        ("floor_minor", "BIGINT", "1", "floor_minor >= 0"),
        ("markup_max_minor", "BIGINT", "0", "markup_max_minor >= 0"),
    ],
    "orders": [
        ("discount_minor", "BIGINT", "0", "discount_minor >= 0"),
        ("coupons", "TEXT", "''", ""),
        ("note", "TEXT", "''", ""),
    ],
    "order_lines": [
        ("markup_minor", "BIGINT", "0", "markup_minor >= 0 AND markup_minor <= price_minor"),
    ],
}


def upgrade() -> None:
    # By hand: SQLite takes a check together with its column only, and Alembic sends it after.
    for table, columns in COLUMNS.items():
        for name, kind, default, check in columns:
            checked = f" CONSTRAINT ck_{table}_{name} CHECK ({check})" if check else ""
            op.execute(
                f"ALTER TABLE {table} ADD COLUMN {name} {kind} NOT NULL DEFAULT {default}{checked}"
            )


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
