"""Ladders, arrivals, rewards granted and the pools they come from."""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
