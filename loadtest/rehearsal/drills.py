"""Faults on purpose: what each does, when the shop sold again after it, and the books then.

`perform` is the way in. While a drill lasts a customer of its own buys several times a second
(`probing`); it has recovered when purchases succeed again for good and what was struck is whole.
Faults of the server are asked for by its API, which refuses them unless a setting allows them.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from loadtest.rehearsal import aftermath, slow_readers, storm
from loadtest.rehearsal.http import ApiError
from loadtest.rehearsal.plan import Drill
from loadtest.rehearsal.probing import USERS, Probe, Stall, holds, recovered_at
from loadtest.rehearsal.proxy import Gateway
from loadtest.rehearsal.records import Brief, DrillReport
from loadtest.rehearsal.shadow import RUNS, Shadow
from loadtest.rehearsal.trouble import Trouble

FIRST_USER: Final = 900_001  # of those who take part in drills; the crowd's numbers begin at 1
STEADY_WITHIN_S: Final = 20.0  # before a drill
RECOVER_WITHIN_S_MIN: Final = 30.0  # for a drill to be recovered from, at least
VIEWERS_BACK: Final = 0.95  # of those before: some are on their way at any instant
LAG_ENTRIES_MAX: Final = 64  # one batch of the ledger: it keeps up
LOOK_EVERY_S: Final = 0.25
NOTICED_WITHIN_S: Final = 2.0  # by an audience, which looks each second
_NUMBERS: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class DrillContext:
    """Where drills happen. Without a `gateway` the network cannot be cut."""

    shadow: Shadow
    brief: Brief
    directory: Path
    gateway: Gateway | None = None

    @property
    def t0_s(self) -> float:
        """By this machine's clock."""
        return (self.brief.t0_ms - self.brief.clock_skew_ms) / 1000


class Refused(Exception):
    """A drill is not done; the text says why."""


def perform(drill: Drill, context: DrillContext) -> DrillReport:
    """Do one drill, wait until it is recovered from, and look at the books. Blocks.

    What goes wrong is in the report; other drills may be going on. Raises nothing for it.
    """
    asked_s = time.time() - context.t0_s
    try:
        return _Performance(drill, context).perform()
    except (Refused, ApiError, Trouble) as error:
        return DrillReport(drill.kind, asked_s, asked_s, 0.0, 0, refused=str(error))


class _Performance:
    """One drill from the first look at the server to the books."""

    def __init__(self, drill: Drill, context: DrillContext) -> None:
        self.drill = drill
        self.context = context
        self.counts: dict[str, int] = {}
        self._strike, self.is_whole = _KINDS[drill.kind]
        number = next(_NUMBERS)
        self._name = f"{context.shadow.run}-drill-{number}"
        self._first_user = FIRST_USER + number * USERS
        self.before: Mapping[str, Any] = {}
        self.lag_before = 0

    def perform(self) -> DrillReport:
        shadow, brief = self.context.shadow, self.context.brief
        buyers = shadow.tokens(self._first_user, USERS)
        self.stall = Stall.open(shadow.shop, self._name, buyers)
        probe = Probe(brief.websocket_url, self.stall)
        probe.start()
        try:
            if not holds(probe.is_steady, STEADY_WITHIN_S):
                why = probe.attempts[-1].why if probe.attempts else "no answer"
                raise Refused(f"the shop did not sell before the drill: {why}")
            return self._done(probe)
        finally:
            probe.stop()

    def _done(self, probe: Probe) -> DrillReport:
        self.before = self.context.shadow.look()
        self.lag_before = self.lag()
        watch = _Watch(self)
        began_s = time.time()
        watch.start()
        try:
            self._strike(self)
            ended_s = time.time()
            watch.look_for(ended_s)
            within_s = max(RECOVER_WITHIN_S_MIN, 2 * self.context.shadow.plan.targets.recover_s)

            def is_recovered() -> bool:
                return bool(watch.whole_s) and recovered_at(probe.attempts, ended_s) is not None

            recovered = holds(is_recovered, within_s)
            bought_s = recovered_at(probe.attempts, ended_s)
            if recovered:  # those who lost a connection may take a little longer
                holds(lambda: bool(watch.back_s), within_s - (time.time() - ended_s))
        finally:
            watch.stop()
            probe.stop()
        if not watch.whole_s and self.counts.get("unanswered"):
            raise Refused("the server did not answer, and nothing happened")
        after_s = max(bought_s, watch.whole_s) - ended_s if recovered and bought_s else -1.0
        until_s = ended_s + (after_s if recovered else within_s)
        return self._report(probe, watch, (began_s, ended_s, until_s), after_s)

    def _report(
        self, probe: Probe, watch: _Watch, instants: tuple[float, float, float], after_s: float
    ) -> DrillReport:
        began_s, ended_s, until_s = instants
        context = self.context
        crowd = aftermath.failures(context.directory, began_s, until_s)
        failed = probe.failed(began_s)
        books = aftermath.after(context.shadow.shop, context.brief.sale, self.stall, probe)
        storm_wrong = self.counts.pop("wrong", 0)
        report = DrillReport(
            kind=self.drill.kind,
            began_s=round(began_s - context.t0_s, 3),
            ended_s=round(ended_s - context.t0_s, 3),
            recovered_after_s=round(after_s, 3),
            failed_requests=crowd + failed + self.counts.get("failed", 0),
            books_ok=books.ok and not storm_wrong,
            books_note=books.note,
            viewers_back_s=round(watch.back_s - ended_s, 3) if watch.back_s else -1.0,
            counts={
                "probes": len(probe.attempts),
                "failed_probes": failed,
                "failed_of_crowd": crowd,
                "viewers_before": int(self.before["viewers"]),
                "viewers_least": watch.viewers_least,
                **self.counts,
            },
        )
        if storm_wrong:
            why = f"{storm_wrong} orders were not paid exactly once"
            report = replace(report, books_note=f"{why}; {books.note}".strip("; "))
        return report

    # what the kinds need

    def ask(self, seconds: int) -> None:
        """Have the server do it. Raises `ApiError` if it refuses."""
        shadow = self.context.shadow
        body = {"kind": self.drill.kind, "seconds": seconds}
        try:
            shadow.api.call("POST", f"{RUNS}/{shadow.run}/drills", body)
        except ApiError as error:
            if error.status:
                raise
            self.counts["unanswered"] = 1  # whoever was to answer may be what was struck

    def pids(self, look: Mapping[str, Any], name: str) -> set[int]:
        """Of the server's processes whose names begin so."""
        return {int(one["pid"]) for one in look["processes"] if one["name"].startswith(name)}

    def lag(self) -> int:
        """Entries of the rehearsal's sale that the ledger does not hold yet. Raises `ApiError`."""
        shop, sale = self.context.shadow.shop, self.context.brief.sale
        return int(shop.call("GET", f"/api/v1/sales/{sale}/books")["lag"] or 0)


class _Watch:
    """Looks at the server all through a drill: when it was whole again, and who was there."""

    def __init__(self, performance: _Performance) -> None:
        self.whole_s = 0.0  # when what was struck was seen whole after it; 0: not yet
        self.back_s = 0.0  # when as many watched as before
        self.viewers_least = int(performance.before["viewers"])
        self._ended_s = float("inf")  # of the fault
        self._performance = performance
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drill watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look_for(self, ended_s: float) -> None:
        """The fault has ended: from now on, see whether all is whole again."""
        if self._performance.is_whole is None:
            self.whole_s = ended_s
        self._ended_s = ended_s

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            began_s = time.time()
            try:
                look = self._performance.context.shadow.look()
                self._see(look, is_after=began_s >= self._ended_s)
            except ApiError:  # it is in trouble, or the drill takes this from us too
                continue

    def _see(self, look: Mapping[str, Any], *, is_after: bool) -> None:
        performance, viewers = self._performance, int(look["viewers"])
        self.viewers_least = min(self.viewers_least, viewers)
        if not is_after:
            return
        is_whole = performance.is_whole
        if not self.whole_s and is_whole is not None and is_whole(performance, look):
            self.whole_s = time.time()
        if not self.back_s and viewers >= VIEWERS_BACK * int(performance.before["viewers"]):
            self.back_s = time.time()


# what each kind does, and when what it struck is whole again


def _kill_worker(performance: _Performance) -> None:
    performance.ask(1)


def _worker_is_back(performance: _Performance, look: Mapping[str, Any]) -> bool:
    """As many web workers as before, and one of them another."""
    before, now = (performance.pids(one, "web worker") for one in (performance.before, look))
    return len(now) >= len(before) and now != before


def _restart_redis(performance: _Performance) -> None:
    performance.ask(1)


def _redis_is_back(performance: _Performance, look: Mapping[str, Any]) -> bool:
    name = "rehearsal redis"
    before, now = (performance.pids(one, name) for one in (performance.before, look))
    return bool(now) and now != before


def _stop_ledger(performance: _Performance) -> None:
    performance.ask(performance.drill.seconds)
    time.sleep(performance.drill.seconds)


def _ledger_keeps_up(performance: _Performance, look: Mapping[str, Any]) -> bool:
    """It holds a purchase of this drill, and is no further behind than before."""
    if look["ledger"]:
        return False
    shop, stall = performance.context.shadow.shop, performance.stall
    books = shop.call("GET", f"/api/v1/sales/{stall.sale}/books")
    if books["lag"] is None or books["lag"] > 1:  # the probe's own newest one may be on its way
        return False
    return performance.lag() <= max(LAG_ENTRIES_MAX, performance.lag_before)


def _cut_network(performance: _Performance) -> None:
    gateway = performance.context.gateway
    if gateway is None:
        raise Refused("the load does not come through the rehearsal's own proxy")
    gateway.cut(performance.drill.seconds)


def _slow_readers(performance: _Performance) -> None:
    drill, directory = performance.drill, performance.context.directory
    slow_readers.ask(directory, drill.percent, drill.seconds)
    slowest, until_s = 0, time.time() + drill.seconds + NOTICED_WITHIN_S
    while time.time() < until_s and (not slowest or slow_readers.count(directory)):
        slowest = max(slowest, slow_readers.count(directory))
        time.sleep(LOOK_EVERY_S)
    if not slowest:
        raise Refused("nobody in the audience read slowly")
    performance.counts["slow_readers"] = slowest


def _webhook_storm(performance: _Performance) -> None:
    context, stall = performance.context, performance.stall
    brief = context.brief
    shop, secret = context.shadow.shop, brief.webhook_secret or brief.key
    paid = Stall.open(shop, f"{stall.sale}-paid", stall.buyers)
    rage = storm.Storm(shop, secret, paid, brief.websocket_url)
    performance.counts |= rage.blow(performance.drill.seconds)


Strike = Callable[[_Performance], None]
IsWhole = Callable[[_Performance, Mapping[str, Any]], bool]

# None: nothing of the server was struck
_KINDS: Final[Mapping[str, tuple[Strike, IsWhole | None]]] = {
    "kill_worker": (_kill_worker, _worker_is_back),
    "restart_redis": (_restart_redis, _redis_is_back),
    "stop_ledger": (_stop_ledger, _ledger_keeps_up),
    "cut_network": (_cut_network, None),
    "slow_readers": (_slow_readers, None),
    "webhook_storm": (_webhook_storm, None),
}
