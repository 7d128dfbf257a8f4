"""Faults on purpose: what each does, when the shop sold again after it, and the books then.

`perform` is the way in. While a drill lasts a customer of its own buys several times a second
(`probing`); it has recovered when purchases succeed again for good and what was struck is whole.
Faults of the server are asked for by its API, which refuses them unless a setting allows them.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.rehearsal import aftermath
from loadtest.rehearsal.http import ApiError
from loadtest.rehearsal.kinds import KINDS, Kind, Refused, Site
from loadtest.rehearsal.plan import Drill
from loadtest.rehearsal.probing import USERS, Probe, Stall, holds, recovered_at
from loadtest.rehearsal.proxy import Gateway
from loadtest.rehearsal.records import Brief, DrillReport
from loadtest.rehearsal.shadow import Shadow
from loadtest.rehearsal.trouble import Trouble
from loadtest.rehearsal.watching import watching

PREPARE_S: Final = 2.0  # a drill that is to begin on time is performed from so long before
FIRST_USER: Final = 900_001  # of those who take part in drills; the crowd's numbers begin at 1
STEADY_WITHIN_S: Final = 30.0  # before a drill
RECOVER_WITHIN_S_MIN: Final = 30.0  # for a drill to be recovered from, at least
VIEWERS_BACK: Final = 0.95  # of those before: some are on their way at any instant
NOTICED_S: Final = 0.5  # after it began, whoever has lost a connection knows
GONE_S: Final = 5.0  # is an audience that has said nothing for so long
FLUSHED_S: Final = 1.5  # the crowd writes its samples each second
LOOK_EVERY_S: Final = 0.25
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


def perform(drill: Drill, context: DrillContext) -> DrillReport:
    """Do one drill at its time, or now if that is over, and wait until it is recovered from.

    Blocks. What goes wrong is in the report; other drills may be going on.
    """
    try:
        return _Performance(drill, context).perform()
    except (Refused, ApiError, Trouble) as error:
        now_s = round(time.time() - context.t0_s, 3)
        return DrillReport(drill.kind, now_s, now_s, 0.0, 0, refused=str(error))


@dataclass(slots=True)
class _Times:
    """Of one drill, by this machine's clock; 0: not yet."""

    began_s: float = 0.0
    ended_s: float = 0.0  # of the fault
    recovered_s: float = 0.0
    given_up_s: float = 0.0  # waiting for it


class _Performance:
    """One drill from the first look at the server to the books."""

    def __init__(self, drill: Drill, context: DrillContext) -> None:
        self._drill = drill
        self._context = context
        self._times = _Times()
        number = next(_NUMBERS)
        shadow = context.shadow
        buyers = shadow.tokens(FIRST_USER + number * USERS, USERS)
        stall = Stall.open(shadow.shop, f"{shadow.run}-drill-{number}", buyers)
        self._stall = stall
        self._site = Site(drill, shadow, context.brief, context.directory, context.gateway, stall)
        self._kind = KINDS[drill.kind]

    def perform(self) -> DrillReport:
        probe = Probe(self._context.brief.websocket_url, self._stall)
        probe.start()
        try:
            if not holds(probe.is_steady, STEADY_WITHIN_S):
                why = probe.attempts[-1].why if probe.attempts else "no answer"
                raise Refused(f"the shop did not sell before the drill: {why}")
            return self._done(probe)
        finally:
            probe.stop()

    def _done(self, probe: Probe) -> DrillReport:
        site, kind = self._site, self._kind
        if kind.prepare is not None:
            kind.prepare(site)
        time.sleep(max(0.0, self._context.t0_s + self._drill.at_s - time.time()))
        times, watch = self._times, _Watch(site, kind)
        watch.start()
        try:
            times.began_s = time.time()
            kind.strike(site)
            times.ended_s = time.time()
            self._await_recovery(probe, watch)
        finally:
            watch.stop()
            probe.stop()
        if kind.finish is not None:
            kind.finish(site)
        if site.unanswered and not watch.whole_s:
            raise Refused("the server did not answer, and nothing happened")
        return self._report(probe, watch)

    def _await_recovery(self, probe: Probe, watch: _Watch) -> None:
        times = self._times
        watch.look_for(times.ended_s)
        within_s = max(RECOVER_WITHIN_S_MIN, 2 * self._context.shadow.plan.targets.recover_s)

        def is_recovered() -> bool:
            sells_s = recovered_at(probe.attempts, times.ended_s)
            if sells_s is not None and watch.whole_s:
                times.recovered_s = max(sells_s, watch.whole_s)
            return bool(times.recovered_s)

        if holds(is_recovered, within_s):  # those who watch may take a little longer
            left_s = times.ended_s + within_s - time.time()
            holds(lambda: not watch.is_watched or bool(watch.back_s), left_s)
        times.given_up_s = time.time()

    def _report(self, probe: Probe, watch: _Watch) -> DrillReport:
        context, times, site = self._context, self._times, self._site
        until_s = times.recovered_s or times.given_up_s
        books = aftermath.after(context.shadow.shop, context.brief.sale, self._stall, probe)
        time.sleep(max(0.0, until_s + FLUSHED_S - time.time()))
        of_probe = probe.failed(times.began_s, until_s)
        of_crowd = aftermath.failures(context.directory, times.began_s, until_s)
        notes = [note for note in (site.wrong, books.note) if note]

        def after_s(instant_s: float) -> float:
            return round(instant_s - times.ended_s, 3) if instant_s else -1.0

        return DrillReport(
            kind=self._drill.kind,
            began_s=round(times.began_s - context.t0_s, 3),
            ended_s=round(times.ended_s - context.t0_s, 3),
            recovered_after_s=after_s(times.recovered_s),
            failed_requests=of_crowd + of_probe + site.counts.get("failed", 0),
            books_ok=books.ok and not site.wrong,
            books_note="; ".join(notes),
            viewers_back_s=after_s(watch.back_s),
            counts={
                "probes": len(probe.attempts),
                "failed_probes": of_probe,
                "failed_of_crowd": of_crowd,
                "viewers_before": watch.viewers_before,
                "viewers_least": watch.viewers_least,
                **site.counts,
            },
        )


class _Watch:
    """Looks all through a drill: when the server was whole again, and who watched."""

    def __init__(self, site: Site, kind: Kind) -> None:
        self.whole_s = 0.0  # when what was struck was seen whole after it; 0: not yet
        self.back_s = 0.0  # when as many watched as before; 0: not yet
        self.viewers_before = self.viewers_least = watching(site.directory).viewers
        self.is_watched = self.viewers_before > 0
        self._site = site
        self._kind = kind
        self._ended_s = float("inf")  # of the fault
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drill watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look_for(self, ended_s: float) -> None:
        """The fault has ended: from now on, see whether all is whole again."""
        if self._kind.is_whole is None:
            self.whole_s = ended_s
        self._ended_s = ended_s

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self._see_viewers()
            if not self.whole_s and time.time() >= self._ended_s:
                self._see_server()

    def _see_viewers(self) -> None:
        found = watching(self._site.directory)
        if time.time() - found.since_us / 1_000_000 > GONE_S:
            self.is_watched = False  # the audience has gone home
            return
        self.viewers_least = min(self.viewers_least, found.viewers)
        if not self.is_watched or found.since_us < (self._ended_s + NOTICED_S) * 1_000_000:
            return
        if not self.back_s and found.viewers >= VIEWERS_BACK * self.viewers_before:
            self.back_s = found.since_us / 1_000_000

    def _see_server(self) -> None:
        assert self._kind.is_whole is not None
        try:
            if self._kind.is_whole(self._site, self._site.shadow.look()):
                self.whole_s = time.time()
        except ApiError:  # it is in trouble still
            return
