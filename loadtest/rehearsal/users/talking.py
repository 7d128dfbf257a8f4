"""Those who talk, like, share, watch and present: the life of the room beside the sale."""

from __future__ import annotations

import random
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import gevent

from loadtest.rehearsal.http import ApiError
from loadtest.rehearsal.records import OK, UNKNOWN
from loadtest.rehearsal.schedule import Act, Person, held_back
from loadtest.rehearsal.users.clock import now_us, wait_until
from loadtest.rehearsal.users.part import Part
from loadtest.rehearsal.users.person import Player

GUEST_COMES_MS: Final = (200, 1_500)  # after the link was made
GUEST_STAYS_S: Final = 4.0
GUESTS_MAX: Final = 50  # of one process at a time; more are not let come
OPEN_WITHIN_S: Final = 5.0


class Watcher(Player):
    """Watches, and times every event of the room that carries the instant it was stored at."""

    __slots__ = ()

    def __init__(self, part: Part, person: Person) -> None:
        super().__init__(part, person, room=True, hears=self._saw)

    def play(self) -> None:
        self.arrive()

    def _saw(self, event: dict[str, Any], heard_us: int) -> None:
        at_ms = event.get("at_ms")
        if not isinstance(at_ms, int):
            return
        stored_us = round((at_ms - self.part.brief.clock_skew_ms) * 1_000)
        name = str(event.get("t", ""))
        self.part.recorder.sample("push", name, stored_us, stored_us, heard_us, OK, self.user)


class Speaker(Player):
    """Whoever does something in the room at the instants of the schedule."""

    __slots__ = ()

    def __init__(self, part: Part, person: Person) -> None:
        super().__init__(part, person, room=True)

    def play(self) -> None:
        self.arrive()
        self.act(self._do)

    def _do(self, act: Act, intended_us: int) -> None:
        room = self.part.brief.room
        match act.what:
            case "comment":
                said = {"room": room, "text": f"rehearsal {act.number}", "cid": f"c-{act.number}"}
                self.ask("comment.send", said, intended_us)
            case "like":
                self.ask("like.add", {"room": room, "n": act.number}, intended_us)
            case "share":
                self._share(intended_us)
            case "pin":
                products = self.part.brief.products
                if products:
                    product = products[act.number % len(products)]
                    self.ask("product.pin", {"room": room, "product": product}, intended_us)
            case "notice":
                said = {"room": room, "text": f"rehearsal notice {act.number}"}
                self.ask("room.notice", said, intended_us)
            case "restock":
                self._restock(act.number, intended_us)

    def _restock(self, number: int, intended_us: int) -> None:
        """The host brings the units that were held back."""
        item = self.part.plan.items[number]
        asked = {
            "sale": self.part.brief.sale,
            "sku": self.part.brief.skus[number],
            "units": held_back(item.stock),
            "request_id": f"{self.part.brief.run}-restock-{number}",
        }
        self.ask("sale.restock", asked, intended_us)

    def _share(self, intended_us: int) -> None:
        asked = {"room": self.part.brief.room, "channel": "copy"}
        outcome, link, _ = self.ask("share.create", asked, intended_us)
        if outcome != OK or self.part.guests >= GUESTS_MAX:
            return
        self.part.guests += 1
        try:
            Guest(self.part, self.person).visit(link)
        finally:
            self.part.guests -= 1


class Guest(Player):
    """Opens a share link, is in the room for a few seconds, and tells of it. Has no token."""

    __slots__ = ()

    def __init__(self, part: Part, sharer: Person) -> None:
        super().__init__(part, Person(-1, sharer.role, 0), room=True)

    def visit(self, link: dict[str, Any]) -> None:
        intended_us = now_us() + random.randint(*GUEST_COMES_MS) * 1_000
        wait_until(intended_us)
        self._open(str(link["url"]), intended_us)
        self.line.start(now_us())
        try:
            if self.line.is_ready(OPEN_WITHIN_S):
                self._tell(str(link["code"]))
        finally:
            self.leave()

    def _open(self, url: str, intended_us: int) -> None:
        """The page of the link. A path on this server, or its whole public address."""
        begun_us = now_us()
        path = urlsplit(url).path
        try:
            self.part.api.send("GET", path[path.index("/s/") :])
        except ApiError as error:
            outcome = f"error {error.status}" if error.status else UNKNOWN
        else:
            outcome = OK
        self.part.recorder.sample("http", "share.page", intended_us, begun_us, now_us(), outcome)

    def _tell(self, code: str) -> None:
        visit, device = uuid4().hex, str(uuid4())
        began = [{"t": "enter", "share": code}, {"t": "visible"}]
        for seq, events in enumerate((began, [{"t": "hidden"}, {"t": "leave"}]), start=1):
            at_ms = round(now_us() / 1_000 + self.part.brief.clock_skew_ms)
            told = {
                "room": self.part.brief.room,
                "visit": visit,
                "seq": seq,
                "device": device,
                "events": [event | {"at_ms": at_ms} for event in events],
            }
            self.ask("visit.track", told, now_us())
            if seq == 1:
                gevent.sleep(GUEST_STAYS_S)
