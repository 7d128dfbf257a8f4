"""The records of the SQL side, under one name."""

from __future__ import annotations

from server.database.catalog_records import CatalogRecords
from server.database.errors import (
    CommentRemoved,
    DatabaseUnavailable,
    Diverged,
    DuplicateId,
    NotADraft,
    OldEpoch,
    UnknownProducts,
    UnknownRoom,
    UnknownSale,
    UnknownSchema,
)
from server.database.ledger_records import Ledger
from server.database.order_records import OrderRecords
from server.database.room_records import RoomRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import (
    Applied,
    LedgerBooks,
    LedgerPosition,
    OrderRow,
    PaymentRow,
    Refund,
    SaleDraft,
    SaleRecord,
    SetAside,
    WebhookEvent,
)
from server.database.words import ACT_KINDS, Act, RoomRecord, Sanction, StoredAct

__all__ = [
    "ACT_KINDS",
    "Act",
    "Applied",
    "CatalogRecords",
    "CommentRemoved",
    "DatabaseUnavailable",
    "Diverged",
    "DuplicateId",
    "Ledger",
    "LedgerBooks",
    "LedgerPosition",
    "NotADraft",
    "OldEpoch",
    "OrderRecords",
    "OrderRow",
    "PaymentRow",
    "Refund",
    "RoomRecord",
    "RoomRecords",
    "SaleDraft",
    "SaleRecord",
    "SaleRecords",
    "Sanction",
    "SetAside",
    "StoredAct",
    "UnknownProducts",
    "UnknownRoom",
    "UnknownSale",
    "UnknownSchema",
    "WebhookEvent",
]
