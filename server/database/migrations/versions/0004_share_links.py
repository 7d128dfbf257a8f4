"""Share links and who is bound to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

# Table -> its primary key; the guards are those of 0002, but that the quote of a link, which is
# somebody's words, can be erased.
APPEND_ONLY = {"share_links": ("id",), "bindings": ("user_id", "number")}
STANDING = (
    *("id", "room_id", "inviter", "inviter_name", "channel", "campaign", "staff"),
    *("target_kind", "target_id", "at_ms", "markups", "created_at_ms"),
)


def upgrade() -> None:
    _make_links()
    _make_touches()
    _make_bindings()
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, key in APPEND_ONLY.items():
        for statement in _sqlite_guards(table, key) if on_sqlite else _postgres_guards(table):
            op.execute(statement)
    for statement in _sqlite_erasure() if on_sqlite else _postgres_erasure():
        op.execute(statement)


def _text(name: str, kind: sa.types.TypeEngine[str] | type[sa.Text] = sa.Text) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable, autoincrement=False)


def _make_links() -> None:
    op.create_table(
        "share_links",
        _text("id", ID),
        _text("room_id", ID),
        _text("inviter", USER),
        _text("inviter_name"),
        _text("channel", ID),
        _text("campaign", ID),
        _text("staff", USER),
        _text("target_kind", sa.String(16)),
        _text("target_id", sa.String(64)),
        _number("at_ms", nullable=True),
        _text("markups"),
        sa.Column("quote_name", sa.Text, nullable=True),
        sa.Column("quote_text", sa.Text, nullable=True),
        _number("created_at_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_share_links"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_share_links_room_id"),
        sa.CheckConstraint(
            "target_kind IN ('room', 'product', 'comment')", name="ck_share_links_target_kind"
        ),
    )
    for columns in (["room_id", "created_at_ms", "id"], ["inviter", "created_at_ms"]):
        op.create_index("_".join(["ix_share_links", *columns]), "share_links", columns)
    quoting = sa.text("target_kind = 'comment'")
    op.create_index(
        "ix_share_links_target_id",
        "share_links",
        ["target_id"],
        sqlite_where=quoting,
        postgresql_where=quoting,
    )


def _make_touches() -> None:
    op.create_table(
        "touches",
        _text("visit", ID),
        _text("device", ID),
        _text("inviter", USER),
        _text("link", ID),
        _text("app", ID),
        _number("at_ms"),
        _text("person", USER),
        sa.PrimaryKeyConstraint("visit", name="pk_touches"),
    )
    for column in ("device", "at_ms"):
        op.create_index(f"ix_touches_{column}", "touches", [column])


def _make_bindings() -> None:
    op.create_table(
        "bindings",
        _text("user_id", USER),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        _text("inviter", USER),
        _text("link", ID),
        _text("visit", ID),
        _text("app", ID),
        _number("bound_at_ms"),
        _number("until_ms"),
        sa.PrimaryKeyConstraint("user_id", "number", name="pk_bindings"),
        sa.CheckConstraint("number >= 1", name="ck_bindings_number"),
        sa.CheckConstraint("until_ms > bound_at_ms", name="ck_bindings_until_ms"),
        sa.CheckConstraint("inviter <> user_id", name="ck_bindings_inviter"),
    )
    op.create_index("ix_bindings_inviter", "bindings", ["inviter"])


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


def _erases(same: str) -> str:
    """The condition of an update that erases a quote and does nothing else."""
    new, old = (", ".join(f"{row}.{column}" for column in STANDING) for row in ("NEW", "OLD"))
    return f"NEW.quote_name IS NULL AND NEW.quote_text IS NULL AND ({new}) {same} ({old})"


def _sqlite_erasure() -> tuple[str, ...]:
    return (
        "DROP TRIGGER share_links_no_update",
        "CREATE TRIGGER share_links_no_update BEFORE UPDATE ON share_links"
        f" WHEN NOT ({_erases('IS')})"
        " BEGIN SELECT RAISE(ABORT, 'share_links is append-only'); END",
    )


def _postgres_erasure() -> tuple[str, ...]:
    return (
        "DROP TRIGGER share_links_append_only ON share_links",
        "CREATE TRIGGER share_links_no_delete BEFORE DELETE ON share_links"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER share_links_append_only BEFORE UPDATE ON share_links"
        f" FOR EACH ROW WHEN (NOT ({_erases('IS NOT DISTINCT FROM')}))"
        " EXECUTE FUNCTION refuse_change()",
    )


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
