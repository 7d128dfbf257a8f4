"""Coupons, accounts in double entry, commissions and the sources of orders."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
