"""Prices of orders: discounts, markups, coupons and notes."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
