"""What an export takes straight from a table, row by row as it is stored, and what it does not.

Rooms, acts, products, sales, orders, payments, refunds and moves are exported as the records that
they make up. A test compares all of it with METADATA: no table is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from flash_sale.catalog import is_id
from server.database.account_tables import (
    commission_due,
    commission_plans,
    commissions,
    order_sources,
    postings,
    transactions,
)
from server.database.coupon_tables import (
    coupon_batches,
    coupon_claim_parts,
    coupon_claims,
    coupons,
)
from server.database.ladder_tables import (
    arrivals,
    ladder_grants,
    ladder_members,
    ladder_rankings,
    ladder_shares,
    ladder_tiers,
    ladders,
)
from server.database.sale_tables import sales, stock_moves
from server.database.share_tables import bindings, share_links, touches
from server.database.tables import sanctions, shelf_items
from server.database.visit_tables import visit_counters, visit_pieces, visits

# With a whole device's id somebody could speak as that device: as much is shown as the API shows.
DEVICE: Final = "device"
DEVICE_CHARS_SHOWN: Final = 8
_OWN_NAMES: Final = ("request_id",)  # keep their ending: others know them by it


@dataclass(frozen=True, slots=True)
class Exported:
    """A table of an export. `kind` is its name among JSON lines, `file` that of its CSV.

    A row belongs to the room in `room_id`, or to the one that `parents` lead to, each by a column
    and the parent's key. With neither it is the whole shop's.
    """

    kind: str
    file: str
    table: sa.Table
    parents: tuple[tuple[str, sa.Column[str]], ...] = ()
    json: tuple[str, ...] = ()  # columns that hold JSON

    @property
    def names(self) -> dict[str, str]:
        """What an export calls each column: as the API does."""
        return {column.name: _outside(column.name) for column in self.table.columns}

    @property
    def whole_shop(self) -> bool:
        return not self.parents and "room_id" not in self.table.c

    def is_of(self, rooms: Collection[str]) -> sa.ColumnElement[bool]:
        """Whether a row belongs to one of these rooms."""
        table, steps = self.table, []
        for column, key in self.parents:
            steps.append((table.c[column], key))
            table = key.table
        if "room_id" not in table.c:
            return sa.false()
        found = table.c.room_id.in_(sorted(filter(is_id, rooms)))
        for child, key in reversed(steps):
            found = child.in_(sa.select(key).where(found))
        return found


def _outside(name: str) -> str:
    return str(name) if name in _OWN_NAMES else name.removesuffix("_id")


_LADDER = (("ladder_id", ladders.c.id),)
_LINK = (("link", share_links.c.id),)
_SALE = (("sale_id", sales.c.id),)

EXPORTED: Final = (
    Exported("shelf_item", "shelf_items.csv", shelf_items),
    Exported("sanction", "sanctions.csv", sanctions),
    Exported("stock_move", "stock_moves.csv", stock_moves, _SALE),
    Exported("link", "links.csv", share_links, json=("markups",)),
    Exported("touch", "touches.csv", touches, _LINK),
    Exported("binding", "bindings.csv", bindings, _LINK),
    Exported("visit", "visits.csv", visits),
    Exported("visit_piece", "visit_pieces.csv", visit_pieces, json=("source", "events")),
    Exported("visit_counter", "visit_counters.csv", visit_counters),
    Exported("ladder", "ladders.csv", ladders, json=("thresholds",)),
    Exported("ladder_tier", "ladder_tiers.csv", ladder_tiers, _LADDER),
    Exported("red_packet_share", "red_packet_shares.csv", ladder_shares, _LADDER),
    Exported("arrival", "arrivals.csv", arrivals),
    Exported("ladder_member", "ladder_members.csv", ladder_members, _LADDER),
    Exported("grant", "grants.csv", ladder_grants),
    Exported("rank", "rankings.csv", ladder_rankings, _LADDER),
    Exported("coupon_batch", "coupon_batches.csv", coupon_batches, json=("scope",)),
    Exported("coupon", "coupons.csv", coupons),
    Exported("coupon_claim", "coupon_claims.csv", coupon_claims, _SALE, json=("ask", "rules")),
    Exported(
        "coupon_claim_part",
        "coupon_claim_parts.csv",
        coupon_claim_parts,
        (("order_id", coupon_claims.c.order_id), *_SALE),
    ),
    Exported("order_source", "order_sources.csv", order_sources),
    Exported("commission_plan", "commission_plans.csv", commission_plans),
    Exported("commission_due", "commission_due.csv", commission_due),
    Exported("commission", "commissions.csv", commissions),
    Exported("transaction", "transactions.csv", transactions),
    Exported("posting", "postings.csv", postings),
)

# Tables whose rows are exported inside the records that they make up, by kind.
IN_RECORDS: Final[Mapping[str, str]] = {
    "rooms": "room",
    "room_acts": "act",
    "products": "product",
    "product_skus": "product",
    "sales": "sale",
    "sale_items": "sale",
    "orders": "order",
    "order_lines": "order",
    "payments": "payment",
    "refunds": "refund",
    "sale_moves": "move",
}

LEFT_OUT: Final[Mapping[str, str]] = {
    "webhook_events": "only tells a repeated event from a new one; payments say what came of it",
    "ledger_set_aside": "bytes that could not be read: whoever runs the server looks at them",
    "visit_set_aside": "bytes that could not be read: whoever runs the server looks at them",
    "visit_devices": "made of the pieces, and holds whole devices, which nobody is shown",
    "visit_people": "made of the pieces, and of no room",
    "visit_horizon": "one row: how far visits have been removed",
    "rehearsals": "what was tried out, not what was sold: /api/v1/rehearsals tells it",
    "rehearsal_reports": "the report of each, as it was found: /api/v1/rehearsals tells it",
    "rehearsal_acts": "who opened and ended them: /api/v1/rehearsals tells it",
}
