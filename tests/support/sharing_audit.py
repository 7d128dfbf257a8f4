"""What was acknowledged against what SQL holds, when a storm is over.

`audit` reads one database and the crowd's notes; counts and complaints come out. The books that
must hold at every moment are in `tests.support.sharing_books`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from rooms.sharing.visits import Visit, fold
from server.database.account_tables import commission_due, commissions, order_sources
from server.database.coupon_tables import coupon_claims
from server.database.ladder_tables import arrivals, ladder_grants, ladder_shares
from server.database.sale_tables import ledger_set_aside, orders
from server.database.visit_records import piece_of, visit_of
from server.database.visit_tables import (
    visit_counters,
    visit_pieces,
    visit_set_aside,
    visits,
)
from server.settings import Limits
from tests.support.sharing_books import PACKET, complaints, rows
from tests.support.sharing_crowd import Notes

DAY_MS = 86_400_000
STAY_MS = 1_000
_COUNTS = (
    *("visible_ms", "cards_seen", "cards_opened", "skus_picked", "checkouts", "orders"),
    *("comments", "likes", "shares"),
)


@dataclass(slots=True)
class Findings:
    """One row of the table. What is lost, twice or missing must be 0."""

    pieces: int = 0
    pieces_lost: int = 0
    pieces_twice: int = 0
    arrivals: int = 0
    valid: int = 0
    arrivals_wrong: int = 0
    grants: int = 0
    grants_lost: int = 0
    grants_twice: int = 0
    packets: int = 0
    cents_missing: int = 0
    orders: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        bad = self.pieces_lost + self.pieces_twice + self.arrivals_wrong
        bad += self.grants_lost + self.grants_twice + self.cents_missing
        return not bad and not self.complaints


def audit(connection: sa.Connection, notes: Notes) -> Findings:
    """Compare everything. The ladder has ended and nothing is under way."""
    found = Findings(complaints=complaints(connection))
    folded = _pieces(connection, notes, found)
    found.complaints += _visits(connection, folded)
    _arrivals(connection, notes, folded, found)
    _rewards(connection, notes, found)
    _orders(connection, notes, found)
    for table in (visit_set_aside, ledger_set_aside):
        found.complaints += [f"set aside: {row.error}" for row in rows(connection, table)]
    return found


def _pieces(connection: sa.Connection, notes: Notes, found: Findings) -> dict[str, Visit]:
    """Every acknowledged piece stands exactly once, no other twice; the visits they fold to."""
    stored: Counter[tuple[str, str]] = Counter()
    folded: dict[str, Visit] = {}
    gap_ms = Limits().visit_beat_gap_ms
    for row in connection.execute(sa.select(visit_pieces).order_by(visit_pieces.c.id)):
        piece = piece_of(row)
        stored[piece.visit, piece.key] += 1
        folded[piece.visit] = fold(folded.get(piece.visit), piece, gap_ms)
    told = {key for key in stored if key[1][0] == "p" and key[1][1:].isdigit()}
    found.pieces = len(notes.pieces)
    found.pieces_lost = len(notes.pieces - stored.keys())
    found.pieces_twice = sum(count - 1 for count in stored.values())
    made_up = told - notes.sent.keys()
    found.complaints += [f"nobody sent piece {key}" for key in made_up]
    return folded


def _visits(connection: sa.Connection, folded: dict[str, Visit]) -> Iterator[str]:
    """The stored visits and counters are those that the pieces fold to."""
    stored = {row.id: visit_of(row) for row in rows(connection, visits)}
    for name in folded.keys() | stored.keys():
        if folded.get(name) != stored.get(name):
            yield f"visit {name}: pieces fold to {folded.get(name)}, stored is {stored.get(name)}"
    wanted: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for visit in folded.values():
        source = visit.source
        day = visit.entered_at_ms // DAY_MS
        counts = wanted[visit.room, day, source.channel, source.campaign, source.staff]
        counts.update({name: getattr(visit, name) for name in _COUNTS})
        counts.update(visits=1, members=int(bool(visit.person)))
    for row in rows(connection, visit_counters):
        key = (row.room_id, row.day, row.channel, row.campaign, row.staff)
        counts = wanted.pop(key, Counter())
        kept = {name: getattr(row, name) for name in (*_COUNTS, "visits", "members")}
        if {name: counts[name] for name in kept} != kept:
            yield f"counters {key}: pieces give {dict(counts)}, stored is {kept}"
    yield from (f"no counters of {key}" for key in wanted)


def _arrivals(
    connection: sa.Connection, notes: Notes, folded: dict[str, Visit], found: Findings
) -> None:
    """Everybody who was brought is one arrival; the real ones that qualified are valid."""
    stored = {row.visit_id: row for row in rows(connection, arrivals)}
    found.arrivals = len(stored)
    devices = Counter(notes.visits.values())
    for visit, device in notes.visits.items():
        arrival, came = stored.get(visit), folded.get(visit)
        if arrival is None or came is None or arrival.inviter != notes.brought[visit]:
            found.arrivals_wrong += 1
            found.complaints.append(f"{visit} by {notes.brought[visit]}: {came}, {arrival}")
            continue
        found.valid += arrival.verdict == "valid"
        is_real = devices[device] == 1 and not came.faults
        qualified = came.visible_ms >= STAY_MS and came.actions >= 1
        counts = arrival.rewarded != ""  # for the inviter, or where the channel says so, itself
        if is_real and qualified != counts:
            found.arrivals_wrong += 1
            found.complaints.append(f"{came} was judged {arrival.verdict}")
        if arrival.judged_at_ms is None:
            found.complaints.append(f"{visit} was never judged")
    marks = Counter(row.device for row in stored.values() if row.rewarded)
    found.complaints += [f"{device} counted {n} times" for device, n in marks.items() if n > 1]


def _rewards(connection: sa.Connection, notes: Notes, found: Findings) -> None:
    """Grants by what the books complain of; what was told of packets is what is kept."""
    grants = rows(connection, ladder_grants)
    seen = Counter((row.ladder_id, row.user_id, row.tier) for row in grants)
    found.grants = sum(row.state != "missed" for row in grants)
    found.grants_twice = sum(count - 1 for count in seen.values())
    found.grants_lost = sum("was given" in complaint for complaint in found.complaints)
    kept = {row.id: row.value_minor for row in grants if row.state == "opened"}
    for grant, amounts in notes.packets.items():
        if amounts != {kept.get(grant)}:
            found.complaints.append(f"packet {grant}: told {amounts}, kept {kept.get(grant)}")
            found.cents_missing += abs(sum(amounts) - kept.get(grant, 0))
    found.packets = len(kept)
    found.complaints += [f"nobody was told of packet {one}" for one in kept.keys() - notes.packets]
    shares = rows(connection, ladder_shares)
    opened = sum(row.amount_minor for row in shares if row.grant_id is not None)
    found.cents_missing += abs(opened - sum(kept.values()))
    waiting = sum(row.kind == PACKET and row.state == "granted" for row in grants)
    free = sum(row.grant_id is None and not row.returned for row in shares)
    if free != waiting:  # the ladder has ended: all others went back
        found.complaints.append(f"{free} shares are free, {waiting} may be opened")
    found.complaints += [
        f"{row.user_id} was not told of {row.id}" for row in grants if not row.told
    ]


def _orders(connection: sa.Connection, notes: Notes, found: Findings) -> None:
    """Every acknowledged order is kept as it was told, with its coupon, source and commission."""
    kept = {row.id: row for row in rows(connection, orders)}
    sources = {row.order_id: row for row in rows(connection, order_sources)}
    earned = {row.order_id: row for row in rows(connection, commissions)}
    found.orders = len(kept)
    say = found.complaints.append
    for id, told in notes.orders.items():
        order = kept.get(id)
        if order is None or order.amount_minor != told["amount_minor"]:
            say(f"order {id}: told {told}, kept {order}")
            continue
        inviter = notes.brought[notes.visit_of[id]]
        if order.coupons != notes.coupons_of[id]:
            say(f"order {id} has coupons {order.coupons!r}, not {notes.coupons_of[id]}")
        if id in notes.paid and order.state != "paid":
            say(f"the payment of {id} was acknowledged, it is {order.state}")
        if (sources[id].visit, sources[id].inviter) != (notes.visit_of[id], inviter):
            say(f"order {id} came by {sources[id]}, not by {inviter}")
    waiting = [row.order_id for row in rows(connection, commission_due) if row.state == "due"]
    found.complaints += [f"the commission of {order} is not decided" for order in waiting]
    for id, order in kept.items():
        earns = order.state == "paid" and sources[id].inviter in notes.earning
        wanted = sources[id].inviter if earns else None
        if (earned[id].user_id if id in earned else None) != wanted:
            say(f"order {id} is {order.state}, by {wanted}, earned {earned.get(id)}")
    spent = Counter(row.coupons for row in kept.values() if row.state == "paid")
    found.complaints += [
        f"coupon {one} was paid with {n} times" for one, n in spent.items() if n > 1
    ]
    open_claims = [row.order_id for row in rows(connection, coupon_claims) if row.state == "held"]
    found.complaints += [f"the coupons of {order} are still held" for order in open_claims]
