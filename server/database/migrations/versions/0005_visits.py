"""The record of visits, and what is counted from it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
KEY = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Nothing is changed, and nothing goes but what was received before the horizon. On SQLite INSERT
# OR REPLACE deletes without running the DELETE trigger, so a second row with a key is refused.
SQLITE_GUARDS = (
    """CREATE TRIGGER visit_pieces_no_update BEFORE UPDATE ON visit_pieces
       BEGIN SELECT RAISE(ABORT, 'visit_pieces is append-only'); END""",
    """CREATE TRIGGER visit_pieces_no_delete BEFORE DELETE ON visit_pieces
       WHEN OLD.received_at_ms >= (SELECT before_ms FROM visit_horizon WHERE id = 1)
       BEGIN SELECT RAISE(ABORT, 'visit_pieces is append-only up to the horizon'); END""",
    """CREATE TRIGGER visit_pieces_no_replace BEFORE INSERT ON visit_pieces
       WHEN EXISTS (SELECT 1 FROM visit_pieces
                    WHERE visit_id = NEW.visit_id AND key = NEW.key)
         OR EXISTS (SELECT 1 FROM visit_pieces WHERE id = NEW.id)
       BEGIN SELECT RAISE(ABORT, 'visit_pieces is append-only'); END""",
)
POSTGRES_GUARDS = (
    """CREATE FUNCTION refuse_early_removal() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN
            IF OLD.received_at_ms >= (SELECT before_ms FROM visit_horizon WHERE id = 1) THEN
              RAISE EXCEPTION '% is append-only up to the horizon', TG_TABLE_NAME
                USING ERRCODE = '23001';
            END IF;
            RETURN OLD;
       END $$""",
    """CREATE TRIGGER visit_pieces_no_update BEFORE UPDATE ON visit_pieces
       FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER visit_pieces_no_delete BEFORE DELETE ON visit_pieces
       FOR EACH ROW EXECUTE FUNCTION refuse_early_removal()""",
    """CREATE TRIGGER visit_pieces_no_truncate BEFORE TRUNCATE ON visit_pieces
       FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
)


def upgrade() -> None:
    _make_pieces()
    _make_visits()
    _make_people()
    _make_counters()
    op.execute("INSERT INTO visit_horizon (id, before_ms) VALUES (1, 0)")
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_GUARDS if on_sqlite else POSTGRES_GUARDS:
        op.execute(statement)


def _text(name: str, kind: sa.types.TypeEngine[str] = ID) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _make_pieces() -> None:
    op.create_table(
        "visit_pieces",
        sa.Column("id", NUMBER, nullable=False),
        _text("visit_id"),
        _text("key", KEY),
        _text("room_id"),
        _number("received_at_ms"),
        _text("device"),
        _text("user_id", USER),
        _flag("guest"),
        _text("net"),
        _text("agent"),
        _text("app"),
        _text("explaining"),
        sa.Column("source", sa.Text, nullable=True),
        sa.Column("events", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visit_pieces"),
        sa.UniqueConstraint("visit_id", "key", name="uq_visit_pieces_visit_id_key"),
    )
    op.create_index("ix_visit_pieces_received_at_ms", "visit_pieces", ["received_at_ms"])
    op.create_table(
        "visit_horizon",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        _number("before_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_visit_horizon"),
    )
    op.create_table(
        "visit_set_aside",
        sa.Column("id", NUMBER, nullable=False),
        _text("entry_id", sa.String(64)),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_visit_set_aside"),
        sa.UniqueConstraint("entry_id", name="uq_visit_set_aside_entry_id"),
    )


def _make_visits() -> None:
    op.create_table(
        "visits",
        _text("id"),
        *(_text(name) for name in ("room_id", "channel", "campaign", "staff")),
        _text("inviter", USER),
        *(_text(name) for name in ("link", "device")),
        *(_text(name, USER) for name in ("user_id", "person")),
        *(_number(name) for name in ("entered_at_ms", "last_at_ms", "visible_ms", "actions")),
        sa.Column("first_action_at_ms", sa.BigInteger, nullable=True),
        *(_number(name) for name in ("faults", "cards_seen", "cards_opened", "skus_picked")),
        *(_number(name) for name in ("checkouts", "orders", "comments", "likes", "shares")),
        _flag("gone"),
        *(_text(name) for name in ("net", "agent", "app", "explaining")),
        _flag("showing"),
        _number("signal_at_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_visits"),
    )
    op.create_index("ix_visits_room_id_entered_at_ms_id", "visits", _PAGE)
    for column in ("entered_at_ms", "device", "inviter"):
        op.create_index(f"ix_visits_{column}", "visits", [column])
    for who in ("user_id", "person"):
        op.create_index(f"ix_visits_{who}_net_agent", "visits", [who, "net", "agent"])


_PAGE = ["room_id", "entered_at_ms", "id"]


def _make_people() -> None:
    op.create_table(
        "visit_devices",
        _text("device"),
        _text("user_id", USER),
        _flag("guest"),
        _number("first_at_ms"),
        _text("first_visit"),
        _number("last_day"),
        sa.PrimaryKeyConstraint("device", "user_id", name="pk_visit_devices"),
    )
    op.create_index("ix_visit_devices_user_id", "visit_devices", ["user_id"])
    op.create_table(
        "visit_people",
        _text("user_id", USER),
        _flag("guest"),
        _number("first_at_ms"),
        _text("first_visit"),
        _number("last_day"),
        sa.PrimaryKeyConstraint("user_id", name="pk_visit_people"),
    )


def _make_counters() -> None:
    op.create_table(
        "visit_counters",
        _text("room_id"),
        _number("day"),
        *(_text(name) for name in ("channel", "campaign", "staff")),
        *(_number(name) for name in ("visits", "members", "visible_ms")),
        *(_number(name) for name in ("cards_seen", "cards_opened", "skus_picked", "checkouts")),
        *(_number(name) for name in ("orders", "comments", "likes", "shares")),
        sa.PrimaryKeyConstraint(
            "room_id", "day", "channel", "campaign", "staff", name="pk_visit_counters"
        ),
    )


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
