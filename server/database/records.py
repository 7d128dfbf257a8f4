"""The records of the SQL side, under one name."""

from __future__ import annotations

from server.database.catalog_records import CatalogRecords
from server.database.errors import (
    CommentRemoved,
    DatabaseUnavailable,
    DuplicateId,
    UnknownProducts,
    UnknownRoom,
    UnknownSchema,
)
from server.database.room_records import RoomRecords
from server.database.words import ACT_KINDS, Act, RoomRecord, Sanction, StoredAct

__all__ = [
    "ACT_KINDS",
    "Act",
    "CatalogRecords",
    "CommentRemoved",
    "DatabaseUnavailable",
    "DuplicateId",
    "RoomRecord",
    "RoomRecords",
    "Sanction",
    "StoredAct",
    "UnknownProducts",
    "UnknownRoom",
    "UnknownSchema",
]
