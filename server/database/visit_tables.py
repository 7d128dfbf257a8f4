"""The tables of visits. The migrations make them; a test compares the two.

`visit_pieces` is the record, append-only by triggers but for retention: only what was received
before the horizon may go. `visits`, `visit_devices`, `visit_people` and `visit_counters` follow
from it and can be made anew.
"""

from __future__ import annotations

import sqlalchemy as sa

from rooms.sharing.sources import DIRECT
from server.database.tables import ID, METADATA, USER

# A whole number that the engine itself gives, in the order of storing.
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
# A visit's name for one of its pieces: what made it, and a number or an order's id behind it.
KEY = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
USUAL = {"channel": DIRECT, "campaign": "", "staff": "", "link": ""}  # not in the indexes of these
LABEL = ID  # a word of a source, a device, a network: as long as an id


def _text(name: str, kind: sa.types.TypeEngine[str] = LABEL) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


visit_pieces = sa.Table(
    "visit_pieces",
    METADATA,
    sa.Column("id", NUMBER, primary_key=True),
    _text("visit_id", ID),
    _text("key", KEY),
    _text("room_id", ID),
    _number("received_at_ms"),
    _text("device"),
    _text("user_id", USER),
    sa.Column("guest", sa.Boolean, nullable=False),
    _text("net"),
    _text("agent"),
    _text("app"),
    _text("explaining", ID),
    sa.Column("source", sa.Text, nullable=True),  # JSON object, with the first piece
    sa.Column("events", sa.Text, nullable=False),  # JSON: [[t, at_ms, {facts}], ...]
    sa.UniqueConstraint("visit_id", "key"),
    sa.Index(None, "received_at_ms"),
)

visits = sa.Table(
    "visits",
    METADATA,
    sa.Column("id", ID, primary_key=True),
    _text("room_id", ID),
    _text("channel"),
    _text("campaign"),
    _text("staff"),
    _text("inviter", USER),
    _text("link"),
    _text("device"),
    _text("user_id", USER),
    _text("person", USER),
    _number("entered_at_ms"),
    _number("last_at_ms"),
    _number("visible_ms"),
    _number("actions"),
    sa.Column("first_action_at_ms", sa.BigInteger, nullable=True),
    _number("faults"),
    _number("cards_seen"),
    _number("cards_opened"),
    _number("skus_picked"),
    _number("checkouts"),
    _number("orders"),
    _number("comments"),
    _number("likes"),
    _number("shares"),
    sa.Column("gone", sa.Boolean, nullable=False),
    _text("net"),
    _text("agent"),
    _text("app"),
    _text("explaining", ID),
    sa.Column("showing", sa.Boolean, nullable=False),
    _number("signal_at_ms"),
    sa.Index(None, "room_id", "entered_at_ms", "id"),
    sa.Index(None, "entered_at_ms"),
    sa.Index(None, "device"),
    sa.Index(None, "user_id", "net", "agent"),
    sa.Index(None, "person", "net", "agent"),
    sa.Index(None, "inviter"),
    *(  # lists by source; of what nearly every visit has the list by time is enough
        sa.Index(
            f"ix_visits_{column}_entered_at_ms_id",
            *(column, "entered_at_ms", "id"),
            sqlite_where=sa.text(f"{column} <> '{usual}'"),
            postgresql_where=sa.text(f"{column} <> '{usual}'"),
        )
        for column, usual in USUAL.items()
    ),
)

# Who has used a device; a row without user: somebody anonymous has. Days are of UTC, counted
# from 1970; a row goes when its last day is behind the horizon.
visit_devices = sa.Table(
    "visit_devices",
    METADATA,
    _text("device"),
    _text("user_id", USER),
    sa.Column("guest", sa.Boolean, nullable=False),
    _number("first_at_ms"),
    _text("first_visit", ID),
    _number("last_day"),
    sa.PrimaryKeyConstraint("device", "user_id"),
    sa.Index(None, "user_id"),
)

visit_people = sa.Table(
    "visit_people",
    METADATA,
    sa.Column("user_id", USER, primary_key=True),
    sa.Column("guest", sa.Boolean, nullable=False),
    _number("first_at_ms"),
    _text("first_visit", ID),
    _number("last_day"),
)

# By the day on which the visit began, so that a day is whole when its visits are.
visit_counters = sa.Table(
    "visit_counters",
    METADATA,
    _text("room_id", ID),
    _number("day"),
    _text("channel"),
    _text("campaign"),
    _text("staff"),
    _number("visits"),
    _number("members"),
    _number("visible_ms"),
    _number("cards_seen"),
    _number("cards_opened"),
    _number("skus_picked"),
    _number("checkouts"),
    _number("orders"),
    _number("comments"),
    _number("likes"),
    _number("shares"),
    sa.PrimaryKeyConstraint("room_id", "day", "channel", "campaign", "staff"),
    sa.Index(None, "day", "room_id", "channel", "campaign", "staff"),
)

# One row: writers take their turn by it, and nothing received before the horizon is kept.
visit_horizon = sa.Table(
    "visit_horizon",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    _number("before_ms"),
)

visit_set_aside = sa.Table(
    "visit_set_aside",
    METADATA,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("entry_id", sa.String(64), nullable=False, unique=True),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    _number("at_ms"),
)
