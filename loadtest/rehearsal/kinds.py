"""The kinds of drills: how each strikes, and how one sees that what it struck is whole again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadtest.rehearsal.http import ApiError
from loadtest.rehearsal.plan import Drill
from loadtest.rehearsal.probing import Stall, holds
from loadtest.rehearsal.proxy import Gateway
from loadtest.rehearsal.records import Brief
from loadtest.rehearsal.shadow import RUNS, Shadow
from loadtest.rehearsal.storm import Storm
from loadtest.rehearsal.watching import slow_down, watching

LAG_ENTRIES_MAX: Final = 64  # one batch of the ledger: it keeps up
SLOW_WITHIN_S: Final = 10.0  # an audience looks for the note each second, if it can
LOOK_WITHIN_S: Final = 10.0
WORKER: Final = "web worker"
REDIS: Final = "rehearsal redis"

Look = Mapping[str, Any]  # what `Shadow.look` answers


class Refused(Exception):
    """A drill is not done; the text says why."""


@dataclass(slots=True)
class Site:
    """What one drill may reach, and what it found. The sale of the stall is its own."""

    drill: Drill
    shadow: Shadow
    brief: Brief
    directory: Path
    gateway: Gateway | None
    stall: Stall
    before: Look = field(default_factory=dict)
    lag_before: int = 0
    storm: Storm | None = None
    unanswered: bool = False  # the wish for a fault
    counts: dict[str, int] = field(default_factory=dict)  # what was done and came of it
    wrong: str = ""  # what should not have been

    def ask(self, seconds: int = 1) -> None:
        """Have the server do it. Raises `ApiError` if it refuses."""
        body = {"kind": self.drill.kind, "seconds": seconds}
        try:
            self.shadow.api.call("POST", f"{RUNS}/{self.shadow.run}/drills", body)
        except ApiError as error:
            if error.status:
                raise
            self.unanswered = True  # whoever was to answer may be what was struck

    def lag(self, sale: str) -> int | None:
        """Entries of a sale that the ledger does not hold yet, if that is known."""
        found: int | None = self.shadow.shop.call("GET", f"/api/v1/sales/{sale}/books")["lag"]
        return found

    def is_another(self, name: str, look: Look) -> bool:
        """Whether there are as many processes of that name as before, and not the same ones."""
        before, now = _pids(self.before, name), _pids(look, name)
        return len(now) >= len(before) and now != before


@dataclass(frozen=True, slots=True)
class Kind:
    """`prepare` comes before anything happens, `strike` returns when the fault has ended.

    `is_whole` is None where nothing of the server is struck; `finish` comes after the recovery.
    Each may raise `ApiError`, the first two also `Refused`.
    """

    strike: Callable[[Site], None]
    is_whole: Callable[[Site, Look], bool] | None = None
    prepare: Callable[[Site], None] | None = None
    finish: Callable[[Site], None] | None = None


def _look_first(site: Site) -> None:
    found: list[Look] = []

    def has_answered() -> bool:
        try:
            found.append(site.shadow.look())
        except ApiError:
            return False
        return True

    if not holds(has_answered, LOOK_WITHIN_S):
        raise Refused("the server did not answer before the drill")
    site.before = found[0]


def _worker_is_back(site: Site, look: Look) -> bool:
    return site.is_another(WORKER, look)


def _redis_is_back(site: Site, look: Look) -> bool:
    return site.is_another(REDIS, look)


def _look_at_the_ledger(site: Site) -> None:
    site.lag_before = site.lag(site.brief.sale) or 0


def _stop_ledger(site: Site) -> None:
    site.ask(site.drill.seconds)
    time.sleep(site.drill.seconds)


def _ledger_keeps_up(site: Site, look: Look) -> bool:
    """It holds the purchases of this drill, and is no further behind than before."""
    if look["ledger"]:
        return False
    own, main = site.lag(site.stall.sale), site.lag(site.brief.sale)
    if own is None or own > 1 or main is None:  # the probe's newest one may be on its way
        return False
    return main <= max(LAG_ENTRIES_MAX, site.lag_before)


def _has_a_proxy(site: Site) -> None:
    if site.gateway is None:
        raise Refused("the load does not come through the rehearsal's own proxy")


def _cut_network(site: Site) -> None:
    assert site.gateway is not None
    site.gateway.cut(site.drill.seconds)


def _slow_readers(site: Site) -> None:
    """Until all of them read again."""
    drill, directory = site.drill, site.directory
    slow_down(directory, drill.percent, drill.seconds)
    if not holds(lambda: watching(directory).slow > 0, SLOW_WITHIN_S):
        raise Refused("nobody in the audience reads slowly")
    most, until_s = 0, time.time() + drill.seconds

    def have_ended() -> bool:
        nonlocal most
        slow = watching(directory).slow
        most = max(most, slow)
        return not slow

    holds(have_ended, until_s + SLOW_WITHIN_S - time.time())
    site.counts["slow_readers"] = most


def _buy_for_the_storm(site: Site) -> None:
    """Orders in another sale, whose payments are what it is about."""
    shop, brief = site.shadow.shop, site.brief
    stall = Stall.open(shop, f"{site.stall.sale}-paid", site.stall.buyers)
    secret = brief.webhook_secret or brief.key
    site.storm = Storm(shop, secret, stall, brief.websocket_url, site.drill.seconds)
    site.storm.buy()


def _webhook_storm(site: Site) -> None:
    assert site.storm is not None
    site.counts |= site.storm.blow()


def _look_what_is_paid(site: Site) -> None:
    assert site.storm is not None
    paid, orders = site.storm.paid_once(), site.counts["orders"]
    site.counts["paid_once"] = paid
    if site.counts["believed"]:
        site.wrong = f"{site.counts['believed']} false messages were believed"
    elif paid < orders:
        site.wrong = f"{orders - paid} of {orders} orders were not paid exactly once"


KINDS: Final[Mapping[str, Kind]] = {
    "kill_worker": Kind(Site.ask, _worker_is_back, _look_first),
    "restart_redis": Kind(Site.ask, _redis_is_back, _look_first),
    "stop_ledger": Kind(_stop_ledger, _ledger_keeps_up, _look_at_the_ledger),
    "cut_network": Kind(_cut_network, prepare=_has_a_proxy),
    "slow_readers": Kind(_slow_readers),
    "webhook_storm": Kind(_webhook_storm, None, _buy_for_the_storm, _look_what_is_paid),
}


def _pids(look: Look, name: str) -> frozenset[int]:
    return frozenset(int(one["pid"]) for one in look["processes"] if one["name"].startswith(name))
