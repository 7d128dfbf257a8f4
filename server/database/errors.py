"""What can go wrong with storage, and how to tell a fault of the world from a bug of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

# Primary result codes of SQLite that tell of the disk, the file or another process.
_SQLITE_FAULTS = {
    3: "access to the file is refused",
    5: "another process holds it locked",
    6: "it is locked",
    7: "out of memory",
    8: "the file is read-only",
    9: "interrupted",
    10: "the disk fails to read or write",
    11: "the file is damaged",
    13: "the disk is full",
    14: "the file cannot be opened",
    15: "another process holds it locked",
    26: "the file is not a SQLite database",
}
# Classes of SQLSTATE, and single states, that a retry or an operator can cure.
_POSTGRES_CLASSES = {
    "08": "the connection failed",
    "28": "the user or password is refused",
    "3D": "there is no such database",
    "40": "it collided with another transaction",
    "53": "the server lacks disk, memory or connections",
    "57": "the server stopped it or is stopping",
    "58": "the server's system fails",
}
_POSTGRES_STATES = {
    "25006": "the server only reads (a standby?)",
    "25P03": "the transaction took too long",
    "55P03": "a lock was not given in time",
}


class DatabaseUnavailable(Exception):
    """The database could not do it now: unreachable, full, locked, or too slow. Retry later.

    `may_be_done` is True if the answer was lost after the work was sent: read before a retry.
    """

    def __init__(self, attempted: str, why: str, *, may_be_done: bool = False) -> None:
        outcome = "; whether it was stored is unknown" if may_be_done else ""
        super().__init__(f"could not {attempted}: {why}{outcome}")
        self.attempted = attempted
        self.why = why
        self.may_be_done = may_be_done


class UnknownSchema(Exception):
    """The database was migrated by a newer version than this one; the text names the revision."""


class DuplicateId(Exception):
    """The id is taken; the text names it."""


class UnknownRoom(LookupError):
    """There is no such room; the text names it."""


class CommentRemoved(LookupError):
    """The comment, whose id is the text, was removed before."""


class UnknownProducts(LookupError):
    """Products that do not exist; `ids` holds them in the order they were asked for."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__("there is no product " + ", ".join(ids))
        self.ids = ids


class UnknownSale(LookupError):
    """There is no such sale; the text names it."""


class UnknownBatch(LookupError):
    """There is no such batch of coupons; the text names it."""


class NotADraft(Exception):
    """The sale was armed: its terms stand. The text names it."""


class Diverged(Exception):
    """The ledger holds another move under the same number, or has not come so far as the store.

    Nothing was stored. Somebody must look at it: `onair reconcile`, then `onair rebuild`.
    """


class OldEpoch(Exception):
    """A move of a time before the sale was rebuilt, which the ledger does not hold.

    Nothing was stored: the units it speaks of have been given out anew since.
    """


def unavailable_because(error: exc.DBAPIError | exc.TimeoutError) -> str | None:
    """Why the database is unavailable, or None if the error is no such fault but a bug."""
    if isinstance(error, exc.TimeoutError):
        return "no connection was free in time"
    cause = error.orig
    text = " ".join(str(cause).split())
    sqlite_code = getattr(cause, "sqlite_errorcode", None)
    if sqlite_code is not None:
        why = _SQLITE_FAULTS.get(sqlite_code & 0xFF)
        return f"{why} ({text})" if why else None
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        why = _POSTGRES_STATES.get(state) or _POSTGRES_CLASSES.get(state[:2])
        return f"{why} ({text})" if why else None
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        return text or "the connection failed"
    return None


class Unkeepable(Exception):
    """The commissions of an order cannot be kept; what else was done with them is undone."""

    def __init__(self, order: str) -> None:
        super().__init__(f"the commissions of order {order} cannot be kept")
        self.order = order


@contextmanager
def naming(order: str) -> Iterator[None]:
    """Whatever goes wrong with this order becomes `Unkeepable`, but for faults of the database."""
    try:
        yield
    except exc.DBAPIError as error:
        if unavailable_because(error) is not None:
            raise
        raise Unkeepable(order) from error
    except Exception as error:
        raise Unkeepable(order) from error
