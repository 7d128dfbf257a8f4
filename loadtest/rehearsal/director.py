"""A whole rehearsal, from the open shadow shop to the files that a verdict is made from.

The director decides when: it prepares the shop, fixes T0, starts those who make the load, performs
the drills and collects the books at the end. What the load is, and what it proves, others know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import websocket

from loadtest.bench.environment import fingerprint
from loadtest.rehearsal import clock, generators, records, referee
from loadtest.rehearsal.children import Child, Children
from loadtest.rehearsal.clock import Skew
from loadtest.rehearsal.drilling import Drilling
from loadtest.rehearsal.generators import Load
from loadtest.rehearsal.http import ApiError, address
from loadtest.rehearsal.observer import Observer
from loadtest.rehearsal.people import People
from loadtest.rehearsal.progress import Display
from loadtest.rehearsal.records import Brief
from loadtest.rehearsal.schedule import VIEWERS
from loadtest.rehearsal.shadow import Shadow
from loadtest.rehearsal.stage import sale_of, stage
from loadtest.rehearsal.trouble import CutShort, Trouble

STARTED: Final = "started.json"  # Locust waits for T0
STARTED_WITHIN_S: Final = 90.0
START_S: Final = 3  # for the audience to start, before its first viewer comes
END_WITHIN_S: Final = 30.0  # after the settle phase, for Locust to end by itself
DRILLS_WITHIN_S: Final = 120.0  # for the last drill to be recovered from, and its books
DRAIN_WITHIN_S: Final = 60.0
DIFFER_LOOKS: Final = 5  # in a row with nothing on its way: books that differ will not agree
CSV_WITHIN_S: Final = 120.0
LOOK_S: Final = 0.1
LOCAL: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(slots=True)
class Rehearsal:
    """One run in its directory. `run` does everything and leaves the files of `records`."""

    shadow: Shadow
    directory: Path
    display: Display
    load: Load
    stopped: Callable[[], str]  # who wants it to stop, or nothing
    tokens: list[list[str]] = field(default_factory=list)
    skew: Skew = field(default_factory=lambda: Skew(0.0, 0.0))
    _t0_s: float = 0.0  # by this clock
    _environment: dict[str, Any] = field(default_factory=dict)

    @property
    def people(self) -> People:
        return People.of(self.shadow.plan)

    @property
    def sale(self) -> str:
        return sale_of(self.shadow.run)

    def run(self) -> None:
        """Raises `Trouble` before there is any load, and `CutShort` when told to stop."""
        show = self.display.show
        wanted = self.people.all + VIEWERS  # Locust's own, who have no token
        observer = Observer(self.shadow, self.directory, self.sale, wanted, show)
        self._begin()
        observer.start()
        try:
            with (
                Drilling(self.shadow, self.directory, alone=not self.load.elsewhere) as drilling,
                Children() as children,
            ):
                brief = self._live(observer, drilling, children)
                self._until(time.time() + DRILLS_WITHIN_S, observer, [], drilling.is_over)
                if self.shadow.plan.phases.referee_s and not self._cut_short:
                    observer.phase = "referee"
                    self._referee(brief)
            self._collect(observer)
        finally:
            observer.stop()
            self._environment["server"] = dict(observer.environment)
            self._environment["ended_at_ms"] = time.time_ns() // 1_000_000
            self._write_environment()

    # before

    def _begin(self) -> None:
        """The plan, the tokens and the environment. Raises `Trouble`."""
        plan, people = self.shadow.plan, self.people
        self._environment = {
            "run": self.shadow.run,
            "title": plan.title,
            "began_at_ms": time.time_ns() // 1_000_000,
            "generator": fingerprint(),
            "same_machine": address(self.shadow.shop.base_url)[0] in LOCAL,
            "people": asdict(people),
            "cut_short": "",
        }
        self.display.say(f"{people.all} people, {plan.units} units: preparing {self.shadow.run}")
        hosts = people.places("hosts")
        try:
            self.tokens = self.shadow.tokens(1, people.all)
            staff = self.shadow.tokens(hosts.start + 1, len(hosts), "host")
        except ApiError as error:
            raise Trouble(f"there are no tokens for the rehearsal: {error}") from None
        self.tokens[hosts.start : hosts.stop] = staff
        records.write_json(self.directory / "plan.json", plan.to_json())
        records.write_json(self.directory / "tokens.json", self.tokens)

    def _stage(self, base: Brief) -> Brief:
        """Prepare the shop, fix T0, and tell it to those who make the load. Raises `Trouble`."""
        plan, shadow = self.shadow.plan, self.shadow
        try:
            self.skew = clock.measure(shadow.websocket_url, self.tokens[0][1])
            ahead_s = START_S + plan.promise.arrive_s + plan.phases.warm_s
            t0_ms = round(time.time() * 1000 + self.skew.skew_ms) + ahead_s * 1000
            products = stage(shadow.shop, plan, base.room, base.sale, t0_ms)
        except (ApiError, OSError, websocket.WebSocketException) as error:
            raise Trouble(f"the shadow shop cannot be prepared: {error}") from None
        self._t0_s = (t0_ms - self.skew.skew_ms) / 1000
        self._environment |= {"t0_ms": t0_ms, "clock": asdict(self.skew)}
        self._write_environment()
        brief = replace(
            base, t0_ms=t0_ms, clock_skew_ms=self.skew.skew_ms, products=tuple(products)
        )
        self._write_brief(brief)
        return brief

    def _write_brief(self, brief: Brief) -> None:
        records.write_json(self.directory / "brief.json", asdict(brief))

    def _write_environment(self) -> None:
        records.write_json(self.directory / "environment.json", self._environment)

    # while there is load

    def _live(self, observer: Observer, drilling: Drilling, children: Children) -> Brief:
        """From the start of those who make the load until all of them have gone."""
        shadow, plan = self.shadow, self.shadow.plan
        brief = Brief(
            run=shadow.run,
            base_url=drilling.through(shadow.shop.base_url),
            websocket_url=drilling.through(shadow.websocket_url),
            key=shadow.shop.key,
            room=shadow.run,
            sale=self.sale,
            skus=tuple(item.sku for item in plan.items),
            t0_ms=0,
            webhook_secret=shadow.shop.key,
        )
        self._write_brief(brief)
        locust = generators.start_locust(self.load, self.directory, children)
        self._await_locust(locust, observer)
        brief = self._stage(brief)
        observer.t0_s = self._t0_s
        audiences = generators.start_audiences(plan, self.people, self.directory, children)
        try:
            drilling.begin(brief)
            self._phases(observer, drilling, [*locust, *audiences])
            if not self._cut_short:
                self._until(time.time() + END_WITHIN_S, observer, [], lambda: _ended(locust))
        finally:
            killed = children.end([*locust, *audiences])
            self._environment["exits"] = children.exits
        if killed:
            self.display.say(f"did not stop by themselves and were killed: {', '.join(killed)}")
        return brief

    def _await_locust(self, locust: Sequence[Child], observer: Observer) -> None:
        """Wait until Locust is ready to play. Raises `Trouble` if it cannot."""
        if self.load.elsewhere:
            self.display.say(f"waiting for {self.load.elsewhere} workers of other machines")
        if self.load.web_port:
            self.display.say(f"Locust's own page: http://127.0.0.1:{self.load.web_port}")
        ready = self.directory / STARTED
        self._until(time.time() + STARTED_WITHIN_S, observer, locust, ready.exists)
        if not ready.exists():
            said = self._environment["cut_short"] or locust[0].tail or "it says nothing"
            raise Trouble(f"Locust did not start: {said}")

    def _phases(self, observer: Observer, drilling: Drilling, load: Sequence[Child]) -> None:
        phases, t0_s = self.shadow.plan.phases, self._t0_s
        for name, until_s in (
            ("arrive", t0_s - phases.warm_s),
            ("warm", t0_s),
            ("spike", t0_s + phases.spike_s),
            ("settle", t0_s + phases.spike_s + phases.settle_s),
        ):
            observer.phase = name
            self._until(until_s, observer, load, drilling.begin_due)
            if self._cut_short:
                return

    def _until(
        self,
        instant_s: float,
        observer: Observer,
        load: Sequence[Child],
        look: Callable[[], bool],
    ) -> None:
        """Wait, while `look` says False. Raises `CutShort` when somebody stops the rehearsal.

        When one of those who make the load has given up the rest proves nothing.
        """
        while (left_s := instant_s - time.time()) > 0 and not look():
            who = self.stopped() or ("the desk" if observer.stop_wanted.is_set() else "")
            if who:
                raise CutShort(f"stopped by {who}")
            if observer.failed:
                raise CutShort(f"what was seen cannot be kept: {observer.failed}")
            for child in load:
                if child.code:
                    said = child.tail.splitlines()
                    why = f"{child.name} ended with {child.code}: {said[-1] if said else ''}"
                    self._environment["cut_short"] = why
                    self.display.say(why)
                    return
            time.sleep(min(LOOK_S, left_s))

    @property
    def _cut_short(self) -> bool:
        return bool(self._environment["cut_short"])

    def _referee(self, brief: Brief) -> None:
        """The same load by Locust and by another driver, in turns, on sales of their own."""
        plan = self.shadow.plan
        per_s = max(1.0, plan.buyer_count / plan.promise.rush_s)
        referee.run(brief, self.tokens, per_s, plan.phases.referee_s, self.directory)

    # afterwards

    def _collect(self, observer: Observer) -> None:
        """The last books, when the ledger holds everything, and its orders."""
        observer.phase = "collect"
        deadline_s, books, why, differ = time.time() + DRAIN_WITHIN_S, None, "", 0
        while time.time() < deadline_s and differ < DIFFER_LOOKS:
            try:
                books = self.shadow.shop.call("GET", f"/api/v1/sales/{self.sale}/books")
                why = str(books["why"])
            except ApiError as error:
                why = str(error)
            if books is not None and books["lag"] == 0:
                if books["agree"] is True:
                    break
                differ += books["agree"] is False
            self._until(time.time() + 1, observer, [], lambda: False)
        else:
            self.display.say(f"the books do not agree: {why}")
        if books is not None:
            records.write_json(self.directory / "books.json", books)
        try:
            path = f"/api/v1/sales/{self.sale}/orders.csv"
            text = self.shadow.shop.text(path, within_s=CSV_WITHIN_S)
            (self.directory / "ledger-orders.csv").write_text(text, encoding="utf-8", newline="")
        except ApiError as error:
            self.display.say(f"the orders of the ledger could not be read: {error}")
        observer.phase = "done"


def _ended(load: Sequence[Child]) -> bool:
    return all(child.code is not None for child in load)
