"""Rooms, products, shelves, sanctions, and the append-only log of what staff did."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

# Whoever can write to the log must not be able to rewrite it. INSERT OR REPLACE deletes without
# running the DELETE trigger on SQLite, so a second act with the same key is refused as well.
SQLITE_APPEND_ONLY = (
    """CREATE TRIGGER room_acts_no_update BEFORE UPDATE ON room_acts
       BEGIN SELECT RAISE(ABORT, 'room_acts is append-only'); END""",
    """CREATE TRIGGER room_acts_no_delete BEFORE DELETE ON room_acts
       BEGIN SELECT RAISE(ABORT, 'room_acts is append-only'); END""",
    """CREATE TRIGGER room_acts_no_replace BEFORE INSERT ON room_acts
       WHEN EXISTS (SELECT 1 FROM room_acts
                    WHERE room_id = NEW.room_id AND version = NEW.version)
       BEGIN SELECT RAISE(ABORT, 'room_acts is append-only'); END""",
)
POSTGRES_APPEND_ONLY = (
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '23001';
       END $$""",
    """CREATE TRIGGER room_acts_append_only BEFORE UPDATE OR DELETE ON room_acts
       FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER room_acts_no_truncate BEFORE TRUNCATE ON room_acts
       FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
)


def upgrade() -> None:
    _make_catalogue()
    _make_rooms()
    _make_acts()


def _make_catalogue() -> None:
    op.create_table(
        "products",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("image_url", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.CheckConstraint("price_minor >= 0", name="ck_products_price_minor"),
        sa.CheckConstraint("length(currency) = 3", name="ck_products_currency"),
    )
    op.create_table(
        "product_skus",
        sa.Column("product_id", ID, nullable=False),
        sa.Column("sku", ID, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("product_id", "sku", name="pk_product_skus"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_product_skus_product_id"),
        sa.UniqueConstraint("product_id", "position", name="uq_product_skus_product_id_position"),
        sa.CheckConstraint("price_minor >= 0", name="ck_product_skus_price_minor"),
        sa.CheckConstraint("position >= 0", name="ck_product_skus_position"),
    )


def _make_rooms() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("stream_url", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("slow_seconds", sa.Integer, nullable=False),
        sa.Column("pinned_product_id", ID, nullable=True),
        sa.Column("pinned_comment", sa.Text, nullable=True),
        sa.Column("notice", sa.Text, nullable=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rooms"),
        sa.ForeignKeyConstraint(
            ["pinned_product_id"], ["products.id"], name="fk_rooms_pinned_product_id"
        ),
        sa.CheckConstraint("state IN ('scheduled', 'live', 'ended')", name="ck_rooms_state"),
        sa.CheckConstraint("slow_seconds >= 0", name="ck_rooms_slow_seconds"),
        sa.CheckConstraint("version >= 0", name="ck_rooms_version"),
    )
    op.create_table(
        "shelf_items",
        sa.Column("room_id", ID, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "position", name="pk_shelf_items"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_shelf_items_room_id"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_shelf_items_product_id"),
        sa.UniqueConstraint("room_id", "product_id", name="uq_shelf_items_room_id_product_id"),
        sa.CheckConstraint("position >= 0", name="ck_shelf_items_position"),
    )
    op.create_table(
        "sanctions",
        sa.Column("room_id", ID, nullable=False),
        sa.Column("user_id", USER, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", "kind", name="pk_sanctions"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_sanctions_room_id"),
        sa.CheckConstraint("kind IN ('mute', 'ban')", name="ck_sanctions_kind"),
        sa.CheckConstraint("user_id <> ''", name="ck_sanctions_user_id"),
    )


def _make_acts() -> None:
    op.create_table(
        "room_acts",
        sa.Column("room_id", ID, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor_id", USER, nullable=False),
        sa.Column("actor_role", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("target_user", USER, nullable=False),
        sa.Column("target_comment", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "version", name="pk_room_acts"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_room_acts_room_id"),
        sa.CheckConstraint(
            "actor_role IN ('viewer', 'moderator', 'host', 'merchant')",
            name="ck_room_acts_actor_role",
        ),
        sa.CheckConstraint("version >= 1", name="ck_room_acts_version"),
        sa.CheckConstraint("kind <> ''", name="ck_room_acts_kind"),
        sqlite_with_rowid=False,
    )
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_APPEND_ONLY if on_sqlite else POSTGRES_APPEND_ONLY:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the log of acts is never dropped; restore a backup instead")
