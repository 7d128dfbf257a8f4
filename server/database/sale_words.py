"""What the records of sales, orders and the ledger speak of. Frozen, no SQL."""

from __future__ import annotations

from dataclasses import dataclass

from flash_sale.model import (
    Item,
    Order,
    OrderId,
    Payment,
    PaymentOutcome,
    SaleId,
    SaleState,
    Terms,
)


@dataclass(frozen=True, slots=True)
class SaleDraft:
    """A sale that a merchant prepares. `items` stand in the order in which they are shown."""

    id: SaleId
    room: str
    currency: str
    items: tuple[Item, ...]
    hold_ms: int
    offer_ms: int
    starts_at_ms: int | None = None
    ends_at_ms: int | None = None
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class SaleRecord:
    """A sale as the ledger knows it. `terms.epoch` is the one the ledger takes moves of.

    `moves == seq`: of this epoch nothing is missing up to `seq`, the highest stored.
    """

    terms: Terms
    state: SaleState
    seq: int
    moves: int
    reason: str
    created_at_ms: int
    settled_at_ms: int | None


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as the ledger has it, after the move (`epoch`, `seq`)."""

    order: Order
    room: str
    currency: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class LedgerBooks:
    """Units of one sku, counted from orders and stock moves, not from any counter."""

    initial: int
    reserved: int
    sold: int
    refunded: int
    written_off: int
    waiting: int
    allocated: int

    @property
    def available(self) -> int:
        return self.initial - self.reserved - self.sold


@dataclass(frozen=True, slots=True)
class LedgerPosition:
    """Where the ledger stands with a sale; `moves == seq`: nothing is missing below `seq`."""

    epoch: int
    seq: int
    moves: int


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as it was received, and what it came to."""

    payment: Payment
    sale: SaleId
    outcome: PaymentOutcome
    at_ms: int


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that is owed back: `due`, then `done`, or `failed` once it was given up."""

    id: str
    payment_id: str
    order_id: OrderId
    sale: SaleId
    amount_minor: int
    currency: str
    reason: str  # refunded | late | surplus | mismatch
    state: str
    attempts: int
    next_at_ms: int
    last_error: str
    created_at_ms: int
    done_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of applying moves: those that were new, and those that were stored before."""

    moves: int
    replayed: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """An entry of a sale's stream that the ledger could not take in, and why."""

    number: int
    sale_id: str
    entry_id: str
    epoch: int
    raw: bytes
    error: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An event that a provider told us, and the word for what came of it."""

    provider: str
    event_id: str
    order_id: str
    outcome: str
    received_at_ms: int
    body_digest: str  # at most 64 characters; the same event with another body is told by it
