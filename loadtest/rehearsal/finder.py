"""The search for the knee: the plan's load times 1, 1 + step, ... until something gives.

Every step has an audience and a sale of its own, in the same shadow shop, and a directory of its
own below the run's. Orders come at an even rate, open loop, for the length of the step; notices are
published by the API at the rate of the plan's comments. A step begins when the ledger holds all of
the last one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import uvloop

from loadtest.buyers import Answers, Party
from loadtest.rehearsal import generators, records
from loadtest.rehearsal.children import Children
from loadtest.rehearsal.director import Rehearsal
from loadtest.rehearsal.heights import Height, Seen, describe, heights, unfinished
from loadtest.rehearsal.http import ApiError, address
from loadtest.rehearsal.observer import TIMELINE, Observer
from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import Plan
from loadtest.rehearsal.records import Brief, Pulse, Second, Step
from loadtest.rehearsal.stage import open_sale
from loadtest.rehearsal.trouble import CutShort
from loadtest.samples import Spread

STEPS: Final = "steps.jsonl"
START_S: Final = 3
WARM_S: Final = 2
SETTLE_S: Final = 3
HOLD_S: Final = 3_600  # nobody pays here
PLENTY: Final = 1_000_000  # of units that one person may buy
DRAIN_WITHIN_S: Final = 60.0
LOOK_S: Final = 0.1
HOSTS: Final = 1  # who is counted among the viewers of a plan and does not come here


def search(rehearsal: Rehearsal) -> None:
    """Take steps until one breaks a target or proves nothing; each is a line of `steps.jsonl`.

    Raises `CutShort` when somebody stops the rehearsal.
    """
    for number, height in enumerate(heights(rehearsal.shadow.plan), 1):
        directory = rehearsal.directory / "steps" / str(number)
        directory.mkdir(parents=True)
        try:
            step = _Climb(
                rehearsal, height, f"{rehearsal.shadow.run}-step-{number}", directory
            ).go()
        except (ApiError, OSError) as error:
            step = unfinished(height, error)
        records.append_line(rehearsal.directory / STEPS, step)
        rehearsal.display.say(describe(step))
        if step.broken or step.void:
            return


@dataclass(slots=True)
class _Climb:
    """One step. `go` does it and says what it showed."""

    rehearsal: Rehearsal
    height: Height
    sale: str
    directory: Path

    def go(self) -> Step:
        height, shadow = self.height, self.rehearsal.shadow
        plan = self._plan()
        people = People.of(plan)
        tokens = shadow.tokens(1, max(people.all, height.buyers))
        t0_s = time.time() + START_S + plan.promise.arrive_s + WARM_S
        self._write(plan, tokens, t0_s)
        open_sale(shadow.shop, self.sale, shadow.run, self.sku, height.stock, PLENTY, HOLD_S)
        wanted, show = height.viewers + height.buyers, self.rehearsal.display.show
        observer = Observer(shadow, self.directory, self.sale, wanted, show)
        observer.phase, observer.t0_s = f"find {height.factor:g}", t0_s
        observer.start()
        try:
            with Children() as children:
                audience = generators.start_audiences(plan, people, self.directory, children)
                answers = self._load(observer, tokens[: height.buyers], t0_s)
                children.end(audience)
            self._drained(observer)
        finally:
            observer.stop()
        return self._seen(answers, t0_s).step(shadow.plan)

    @property
    def sku(self) -> str:
        return self.rehearsal.shadow.plan.items[0].sku

    def _plan(self) -> Plan:
        """The plan of this step's audience: nobody but it watches."""
        plan, viewers = self.rehearsal.shadow.plan, self.height.viewers
        arrive_s = max(1, -(-viewers // plan.generator.connect_per_s))
        quiet = {"comments_per_s": 0.0, "likes_per_s": 0.0, "shares_per_s": 0.0}
        quiet["rush_s"] = min(plan.promise.rush_s, plan.finder.step_s)  # nobody here buys by it
        return replace(
            plan,
            promise=replace(plan.promise, viewers=viewers + HOSTS, arrive_s=arrive_s, **quiet),
            phases=replace(
                plan.phases, warm_s=WARM_S, spike_s=plan.finder.step_s, settle_s=SETTLE_S
            ),
            drills=(),
        )

    def _write(self, plan: Plan, tokens: list[list[str]], t0_s: float) -> None:
        shadow, skew = self.rehearsal.shadow, self.rehearsal.skew
        brief = Brief(
            run=shadow.run,
            base_url=shadow.shop.base_url,
            websocket_url=shadow.websocket_url,
            key=shadow.shop.key,
            room=shadow.run,
            sale=self.sale,
            skus=(self.sku,),
            t0_ms=round(t0_s * 1000 + skew.skew_ms),
            clock_skew_ms=skew.skew_ms,
        )
        records.write_json(self.directory / "plan.json", plan.to_json())
        records.write_json(self.directory / "tokens.json", tokens)
        records.write_json(self.directory / "brief.json", asdict(brief))

    # the load of it

    def _load(self, observer: Observer, tokens: list[list[str]], t0_s: float) -> Answers:
        """Orders and notices from T0 on, for the length of the step."""
        over = threading.Event()
        with ThreadPoolExecutor(2) as threads:
            orders = threads.submit(uvloop.run, self._ordered(tokens, t0_s, over))
            notices = threads.submit(self._notices, t0_s, over)
            try:
                self._wait(observer, orders.done)
            finally:
                over.set()
            notices.result()
            return orders.result()

    async def _ordered(
        self, tokens: list[list[str]], t0_s: float, over: threading.Event
    ) -> Answers:
        """The orders, unless the step is over before."""
        orders = asyncio.create_task(self._orders(tokens, t0_s))
        while not orders.done() and not over.is_set():
            await asyncio.wait({orders}, timeout=LOOK_S)
        orders.cancel()
        return await orders

    async def _orders(self, tokens: list[list[str]], t0_s: float) -> Answers:
        host, port, prefix = address(self.rehearsal.shadow.shop.base_url)
        is_secure = self.rehearsal.shadow.shop.base_url.startswith("https:")
        party = Party(port, "", host=host, prefix=prefix, is_secure=is_secure)
        try:
            await party.join([(user, token) for user, token in tokens])
            await asyncio.sleep(max(0.0, t0_s - time.time()))
            height = self.height
            return await party.buy(self.sale, self.sku, height.orders, height.orders_per_s)
        finally:
            await party.leave()

    def _notices(self, t0_s: float, over: threading.Event) -> None:
        """What the audience is told at an even rate. A server that does not answer hears fewer."""
        per_s = self.height.comments_per_s
        number, shop = 0, self.rehearsal.shadow.shop
        while per_s > 0 and not over.is_set():
            due_s = t0_s + number / per_s
            if due_s > time.time():
                time.sleep(min(LOOK_S, due_s - time.time()))
                continue
            number += 1
            data = {"t": "notice", "text": f"{number}", "at_ms": self._server_ms()}
            body = {"channel": f"room:{self.rehearsal.shadow.run}", "lane": "chat", "data": data}
            try:
                shop.call("POST", "/api/publish", body)
            except ApiError:
                continue

    def _server_ms(self) -> int:
        return round(time.time() * 1000 + self.rehearsal.skew.skew_ms)

    def _wait(self, observer: Observer, done: Callable[[], bool]) -> None:
        while not done():
            who = self.rehearsal.stopped() or ("the desk" if observer.stop_wanted.is_set() else "")
            if who:
                raise CutShort(f"stopped by {who}")
            time.sleep(LOOK_S)

    # what it showed

    def _drained(self, observer: Observer) -> None:
        """Wait until the ledger holds everything, so that the next step begins afresh."""
        deadline_s = time.time() + DRAIN_WITHIN_S
        path = f"/api/v1/sales/{self.sale}/books"

        def done() -> bool:
            books = self.rehearsal.shadow.shop.call("GET", path)
            return time.time() > deadline_s or (books["agree"] is True and books["lag"] == 0)

        self._wait(observer, done)

    def _seen(self, answers: Answers, t0_s: float) -> Seen:
        pushes = [one for one in records.read_samples(self.directory) if one.kind == "push"]
        looks = records.read_lines(self.directory, TIMELINE, Second)
        height = self.height
        return Seen(
            height=height,
            answers=answers,
            delivery=Spread.of(one.took_us / 1000 for one in pushes),
            delivered=len(pushes) * height.viewers // self._witnesses(),
            looks=tuple(look for look in looks if look.at_us >= t0_s * 1_000_000),
            pulses=tuple(records.read_lines(self.directory, "health-*.jsonl", Pulse)),
        )

    def _witnesses(self) -> int:
        """Of every event so many samples are kept."""
        return max(1, min(self.rehearsal.shadow.plan.generator.witnesses, self.height.viewers))
