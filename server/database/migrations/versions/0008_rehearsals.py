"""Rehearsals: which there were, what they found, and who opened and ended them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
USER = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

REFUSE = "BEGIN SELECT RAISE(ABORT, 'rehearsal_acts is append-only'); END"
SQLITE_GUARDS = (
    f"CREATE TRIGGER rehearsal_acts_no_update BEFORE UPDATE ON rehearsal_acts {REFUSE}",
    f"CREATE TRIGGER rehearsal_acts_no_delete BEFORE DELETE ON rehearsal_acts {REFUSE}",
    "CREATE TRIGGER rehearsal_acts_no_replace BEFORE INSERT ON rehearsal_acts"
    " WHEN EXISTS (SELECT 1 FROM rehearsal_acts"
    f" WHERE rehearsal_id = NEW.rehearsal_id AND number = NEW.number) {REFUSE}",
)
POSTGRES_GUARDS = (
    "CREATE TRIGGER rehearsal_acts_append_only BEFORE UPDATE OR DELETE ON rehearsal_acts"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER rehearsal_acts_no_truncate BEFORE TRUNCATE ON rehearsal_acts"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def upgrade() -> None:
    _make_rehearsals()
    _make_reports()
    _make_acts()


def _text(name: str, kind: sa.types.TypeEngine[str] | type[sa.Text] = sa.Text) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False)


def _instant(name: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _make_rehearsals() -> None:
    op.create_table(
        "rehearsals",
        _text("id", ID),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("occupies", sa.Integer, nullable=True),
        _text("title"),
        _text("state", sa.String(16)),
        _text("plan"),
        sa.Column("driven", sa.Boolean, nullable=False),
        _instant("created_at_ms", nullable=False),
        _instant("opened_at_ms"),
        _instant("heard_at_ms"),
        _text("progress"),
        _instant("ended_at_ms"),
        _instant("shut_at_ms"),
        _instant("purged_at_ms"),
        _text("verdict", sa.String(24)),
        _text("sentence"),
        _text("why"),
        sa.PrimaryKeyConstraint("id", name="pk_rehearsals"),
        sa.UniqueConstraint("number", name="uq_rehearsals_number"),
        sa.UniqueConstraint("occupies", name="uq_rehearsals_occupies"),
        sa.CheckConstraint(
            "state IN ('open', 'running', 'done', 'failed', 'stopped')", name="ck_rehearsals_state"
        ),
        sa.CheckConstraint("occupies IS NULL OR occupies = 1", name="ck_rehearsals_occupies"),
        sa.CheckConstraint(
            "(occupies IS NULL) = (purged_at_ms IS NOT NULL)", name="ck_rehearsals_purged_at_ms"
        ),
        sa.CheckConstraint(
            "(ended_at_ms IS NULL) = (state IN ('open', 'running'))",
            name="ck_rehearsals_ended_at_ms",
        ),
    )


def _make_reports() -> None:
    op.create_table(
        "rehearsal_reports",
        _text("rehearsal_id", ID),
        _text("kind", sa.String(8)),
        sa.Column("body", sa.LargeBinary, nullable=False),
        _instant("at_ms", nullable=False),
        sa.PrimaryKeyConstraint("rehearsal_id", "kind", name="pk_rehearsal_reports"),
        sa.ForeignKeyConstraint(
            ["rehearsal_id"], ["rehearsals.id"], name="fk_rehearsal_reports_rehearsal_id"
        ),
        sa.CheckConstraint("kind IN ('json', 'html')", name="ck_rehearsal_reports_kind"),
    )


def _make_acts() -> None:
    op.create_table(
        "rehearsal_acts",
        _text("rehearsal_id", ID),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        _instant("at_ms", nullable=False),
        _text("actor", USER),
        _text("kind", sa.String(16)),
        _text("detail"),
        sa.PrimaryKeyConstraint("rehearsal_id", "number", name="pk_rehearsal_acts"),
        sa.ForeignKeyConstraint(
            ["rehearsal_id"], ["rehearsals.id"], name="fk_rehearsal_acts_rehearsal_id"
        ),
        sa.CheckConstraint("number >= 1", name="ck_rehearsal_acts_number"),
        sqlite_with_rowid=False,
    )
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_GUARDS if on_sqlite else POSTGRES_GUARDS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("records are never dropped; restore a backup instead")
