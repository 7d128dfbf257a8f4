"""Inviters and those who come by their links; nobody gives up before they are answered.

Everything that was acknowledged is noted, to be looked for afterwards. The seed decides who acts,
who buys, who comes twice on one device, and who never opens a red packet.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.live_server import LiveServer
from tests.support.sharing_line import Line, QuickClient
from tests.support.wait import wait_until
from tests.support.ws_client import WireError

AT_ONCE = 32  # visitors
STAY_S = 1.3  # of a visit; the ladder wants 1 s
LOOK_S = 0.4  # between two looks of an inviter at the own rewards


@dataclass(slots=True)
class Notes:
    """What was acknowledged. Pieces are (visit, key), orders the answers they came in."""

    pieces: set[tuple[str, str]] = field(default_factory=set)
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    visits: dict[str, str] = field(default_factory=dict)  # that came to their end: the device
    brought: dict[str, str] = field(default_factory=dict)  # visit -> inviter
    earning: set[str] = field(default_factory=set)  # inviters whose channel lets them earn
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    visit_of: dict[str, str] = field(default_factory=dict)  # order -> visit
    coupons_of: dict[str, str] = field(default_factory=dict)  # order -> coupon
    paid: set[str] = field(default_factory=set)
    packets: dict[str, set[int]] = field(default_factory=dict)  # grant -> amounts told
    unequal: list[str] = field(default_factory=list)  # answers that differed
    answered_at_s: list[float] = field(default_factory=list)

    def answered(self) -> None:
        self.answered_at_s.append(asyncio.get_running_loop().time())


class SharingCrowd:
    """Of one room. `codes` are the inviters' links, by inviter."""

    def __init__(
        self, server: LiveServer, room: str, sale: str, *, seed: int, inviters: int, visitors: int
    ) -> None:
        self.notes = Notes()
        self.inviters = [f"inviter-{seed}-{number}" for number in range(inviters)]
        self.codes: dict[str, str] = {}
        self._server, self._room, self._sale, self._seed = server, room, sale, seed
        self._visitors = visitors
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._stopping = False
        self.over_at_s = float("inf")
        self._coming: list[asyncio.Task[None]] = []
        self._opening: list[asyncio.Task[None]] = []

    @property
    def forgetful(self) -> str:
        """The inviter who never opens a red packet."""
        return self.inviters[1]

    async def start(self) -> None:
        """Make the links; then let everybody in."""
        for number, user in enumerate(self.inviters):
            line = Line(self._server, user=user, room=self._room, address=f"198.51.{number}.1")
            if number:  # the first one shares where only those who arrive may be rewarded
                self.notes.earning.add(user)
            wanted = {"room": self._room, "channel": "copy" if number else "douyin"}
            self.codes[user] = (await line.ask("share.create", wanted))["code"]
            await line.close()
        self._opening = [
            asyncio.create_task(self._climb(user), name=user)
            for user in self.inviters
            if user != self.forgetful
        ]
        self._coming = [
            asyncio.create_task(self._come(number), name=f"visitor {number}")
            for number in range(self._visitors)
        ]

    async def progress(self, more: int, within_s: float = 90) -> None:
        """Wait until so many more answers came, or everybody has been here."""
        wanted = len(self.notes.answered_at_s) + more
        await wait_until(
            lambda: len(self.notes.answered_at_s) >= wanted or self.is_over or self._failed(),
            within_s,
            f"{more} more answers",
        )
        self._raise()

    @property
    def is_over(self) -> bool:
        return all(task.done() for task in self._coming)

    async def visited(self, within_s: float = 240) -> None:
        """Wait until everybody has been here."""
        await wait_until(lambda: self.is_over or self._failed(), within_s, "all visits are over")
        self._raise()
        self.over_at_s = asyncio.get_running_loop().time()

    async def leave(self) -> None:
        """Inviters look at their rewards once more and go; visitors go at once."""
        self._stopping = True
        for task in self._coming:
            task.cancel()
        await asyncio.wait([*self._coming, *self._opening], timeout=30)
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._coming, *self._opening, return_exceptions=True)

    def _failed(self) -> bool:
        tasks = (*self._coming, *self._opening)
        return any(t.done() and not t.cancelled() and t.exception() for t in tasks)

    def _raise(self) -> None:
        for task in (*self._coming, *self._opening):
            if task.done() and not task.cancelled():
                task.result()

    # inviters

    async def _climb(self, user: str) -> None:
        """Look at the own rewards again and again, and open every red packet, twice at once."""
        lines = [Line(self._server, user=user, seed=f"{user}-{n}") for n in range(2)]
        try:
            while True:
                last = self._stopping
                rewards = (await lines[0].ask("reward.list", {}))["rewards"]
                for one in rewards:
                    if one["kind"] == "red_packet" and one["state"] == "granted":
                        await self._open(lines, one["grant"])
                if last:
                    return
                await asyncio.sleep(LOOK_S)
        finally:
            for line in lines:
                await line.close()

    async def _open(self, lines: Sequence[Line], grant: str) -> None:
        asked = [line.ask("reward.open", {"grant": grant}) for line in lines]
        for answer in await asyncio.gather(*asked):
            self.notes.packets.setdefault(grant, set()).add(answer["reward"]["value"])
            self.notes.answered()

    # visitors

    async def _come(self, number: int) -> None:
        async with self._gate:
            chance = random.Random(f"{self._seed}-{number}")
            inviter = self.inviters[number % len(self.inviters)]
            again = number % 15 == 14  # on the device of whoever came before by the same link
            device = number - len(self.inviters) if again else number
            visitor = Visitor(
                self._server, self.notes, self._room, f"{self._seed}-{number}", self.codes[inviter]
            )
            visitor.device = f"device-of-{self._seed}-{device:06}"
            visitor.address = f"10.{number // 250}.{number % 250}.7"
            visitor.user = f"member-{self._seed}-{number}" if number % 3 else ""
            self.notes.brought[visitor.visit] = inviter
            await visitor.stay(self._sale, chance)
            self.notes.visits[visitor.visit] = visitor.device


class Visitor:
    """One visit, from `enter` to `leave`, on as many connections as it takes."""

    def __init__(self, server: LiveServer, notes: Notes, room: str, name: str, code: str) -> None:
        self.visit = f"visit-of-{name:->12}"
        self.device = self.address = self.user = ""
        self._server, self._notes, self._room, self._code = server, notes, room, code
        self._name = name
        self._batches = 0
        self._telling: list[dict[str, Any]] = []  # when a connection begins, in their order

    async def stay(self, sale: str, chance: random.Random) -> None:
        line = Line(
            self._server,
            user=self.user,
            room=self._room,
            address=self.address,
            seed=self.visit,
            entering=self._enter,
        )
        try:
            await line.ask("time.now", {})
            began_s = time.monotonic()
            if chance.random() < 0.9:
                await line.ask("like.add", {"room": self._room, "n": 1})
            if self.user and chance.random() < 0.5:
                await self._buy(line, sale, chance)
            # the visit itself lasts so long
            await asyncio.sleep(max(0.0, began_s + STAY_S - time.monotonic()))
            await self._track(line, "beat")
            await self._track(line, "leave", again=chance.random() < 0.2)
        finally:
            await line.close()

    async def _enter(self, client: QuickClient) -> None:
        """Every connection begins with where the visit comes from; before that comes, unchanged,
        what an earlier one told and was not answered."""
        self._telling.append(self._batch({"t": "enter", "share": self._code}, {"t": "visible"}))
        while self._telling:
            batch = self._telling[0]
            self._notes.sent[self.visit, f"p{batch['seq']}"] += 1
            await client.rpc("visit.track", batch)
            self._acknowledged(batch)
            del self._telling[0]

    async def _track(self, line: Line, t: str, *, again: bool = False) -> None:
        batch = self._batch({"t": t})
        for _ in range(1 + again):
            self._notes.sent[self.visit, f"p{batch['seq']}"] += 1
            await line.ask("visit.track", batch)
            self._acknowledged(batch)

    def _batch(self, *events: dict[str, Any]) -> dict[str, Any]:
        self._batches += 1
        at_ms = time.time_ns() // 1_000_000
        return {
            "room": self._room,
            "visit": self.visit,
            "seq": self._batches,
            "device": self.device,
            "events": [{**event, "at_ms": at_ms} for event in events],
        }

    def _acknowledged(self, batch: dict[str, Any]) -> None:
        self._notes.pieces.add((self.visit, f"p{batch['seq']}"))
        self._notes.answered()

    async def _buy(self, line: Line, sale: str, chance: random.Random) -> None:
        """Two orders with one coupon: at most one of them can have it at a time."""
        coupon = await self._coupon()
        for request in ("r1", "r2"):
            data = {
                "sale": sale,
                "sku": "mug",
                "qty": 1,
                "request_id": request,
                "coupons": [coupon],
            }
            try:
                answer = await line.ask("order.place", data)
                if chance.random() < 0.3 and await line.ask("order.place", data) != answer:
                    self._notes.unequal.append(f"{self.user} {request}")
            except WireError as error:  # the first order has the coupon
                if (request, error.code) != ("r2", 422):
                    raise
                continue
            order = answer.get("order")
            if order is None:
                continue
            self._notes.orders[order["id"]] = order
            self._notes.visit_of[order["id"]] = self.visit
            self._notes.coupons_of[order["id"]] = coupon
            self._notes.answered()
            await self._decide(line, order["id"], chance.random())

    async def _decide(self, line: Line, order: str, word: float) -> None:
        with suppress(WireError):  # it may be over by now
            if word < 0.5:
                await line.ask("order.pay", {"order": order})
                self._notes.paid.add(order)
            elif word < 0.7:
                await line.ask("order.cancel", {"order": order})

    async def _coupon(self) -> str:
        """The shop gives this person a coupon; the same request gives one."""
        body = {"user": self.user, "request_id": f"for-{self.user}"}
        given = await patient(self._server, "POST", "/api/v1/coupon-batches/five/grant", body)
        return str(given["coupon"])


async def patient(server: LiveServer, method: str, path: str, body: Any = None) -> Any:
    """An answer of the HTTP API, asked for until there is one."""
    found: list[Any] = []
    last = ""

    async def answers() -> bool:
        nonlocal last
        try:
            found.append(await server.acall(method, path, body))
        except (AssertionError, OSError) as error:
            last = str(error)
            await asyncio.sleep(0.1)
        return bool(found)

    try:
        await wait_until(answers, 60, f"{method} {path} is answered")
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
    return found[0]
