"""Indexes for what is asked of visits: lists by source, counters by day."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

USUAL = {"channel": "direct", "campaign": "", "staff": "", "link": ""}


def upgrade() -> None:
    for column, usual in USUAL.items():
        others = sa.text(f"{column} <> '{usual}'")
        op.create_index(
            f"ix_visits_{column}_entered_at_ms_id",
            "visits",
            [column, "entered_at_ms", "id"],
            sqlite_where=others,
            postgresql_where=others,
        )
    op.create_index(
        "ix_visit_counters_day_room_id_channel_campaign_staff",
        "visit_counters",
        ["day", "room_id", "channel", "campaign", "staff"],
    )
