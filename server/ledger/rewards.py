"""Keeping ladders: arrivals that are due are judged, tiers granted, ladders closed, people told.

One ledger worker keeps at a time. Everything here takes effect once, however often it is done,
and nothing is judged before all that was received until then is in SQL.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from rooms.adapters.script import RedisClient
from rooms.errors import RoomLogUnavailable, VisitLogUnavailable
from rooms.sharing.policy import Policies
from server.database.arrival_judging import (
    Court,
    Judged,
    close_ladder,
    forget_marks,
    ladders_over,
    postpone,
)
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable
from server.database.grant_records import Giving, expire
from server.ledger.figures import Figures
from server.ledger.lease import Lease, holder
from server.ledger.reward_news import RewardNews
from server.settings import Settings
from server.sharing.policies import load_policies
from server.sharing.reward_desk import voucher_key

_LOG = logging.getLogger("onair.rewards")
T = TypeVar("T")

LEASE_KEY = "onair:rewards-keeper"
LOOK_EVERY_S = 0.5  # renews the lease, too; well within its life
AT_ONCE = 200
POSTPONED_MS = 3_600_000
STUCK_S = 60.0
FORGET_EVERY_S = 60.0
DAY_MS = 86_400_000


class RewardsKeeper:
    """Start it with `run`. `written_to_ms`: every piece of a visit of before then is in SQL."""

    def __init__(
        self,
        database: Database,
        court: Court,
        lease: Lease,
        news: RewardNews,
        written_to_ms: Callable[[], Awaitable[int]],
        figures: Figures,
        *,
        retention_days: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._retention_ms = retention_days * DAY_MS
        self._forget_at_s = 0.0
        self._database = database
        self._court = court
        self._lease = lease
        self._news = news
        self._written_to_ms = written_to_ms
        self._figures = figures
        self._now_ms = now_ms
        self._most = AT_ONCE
        self._complaint = ""
        self._stuck_until_s: dict[str, float] = {}  # by part of a look
        self.keeps = False

    async def run(self) -> None:
        """Keep whenever the lease is ours, until cancelled. Waits out every fault."""
        try:
            while True:
                self.keeps = await self._lease.hold()
                more = self.keeps and await self._turn()
                await asyncio.sleep(0 if more else LOOK_EVERY_S)
        finally:
            if self.keeps:
                await self._lease.release()

    async def _turn(self) -> bool:
        """One look; whether more is due already."""
        try:
            more = await self.look()
        except (DatabaseUnavailable, VisitLogUnavailable, RoomLogUnavailable) as error:
            if str(error) != self._complaint:  # once, not every time
                _LOG.warning("ladders wait: %s", error)
            self._complaint = str(error)
            return False
        except Exception:  # a bug with one arrival must not end the ledger worker
            _LOG.exception("keeping ladders stumbled")
            return False
        self._complaint = ""
        return more

    async def look(self) -> bool:
        """Judge, close, take back and tell what is due, some of each; whether more may be due."""
        upto_ms = await self._written_to_ms()
        more = await self._judge(upto_ms)
        for ladder in await self._run(lambda c: ladders_over(c, upto_ms), "look for ended ladders"):
            more = await self._apart(f"ladder {ladder}", partial(self._close, ladder)) or more
        more = await self._apart("red packets", self._expire) or more
        more = await self._news.tell() or more
        await self._forget()
        return more

    async def _apart(self, part: str, work: Callable[[], Awaitable[bool]]) -> bool:
        """One part of a look: a bug with it holds up no other, and it is tried again later."""
        if time.monotonic() < self._stuck_until_s.get(part, 0.0):
            return False
        try:
            more = await work()
        except DatabaseUnavailable:
            raise
        except Exception as error:  # whatever it is: the others must not wait for it
            _LOG.critical("ALARM: %s: cannot go on, later again", part, exc_info=error)
            self._stuck_until_s[part] = time.monotonic() + STUCK_S
            return False
        self._stuck_until_s.pop(part, None)
        return more

    async def _expire(self) -> bool:
        gone = await self._run(
            lambda c: expire(c, self._now_ms(), AT_ONCE), "take back red packets"
        )
        return gone == AT_ONCE

    async def _forget(self) -> None:
        """Now and then remove a slice of what may not be kept for longer."""
        if time.monotonic() < self._forget_at_s:
            return
        before_ms = self._now_ms() - self._retention_ms
        gone = await self._run(
            lambda c: forget_marks(c, before_ms, AT_ONCE), "forget devices of old arrivals"
        )
        if gone < AT_ONCE:
            self._forget_at_s = time.monotonic() + FORGET_EVERY_S

    async def _judge(self, upto_ms: int) -> bool:
        """Judge a batch; one that cannot be judged holds up no other for long."""
        try:
            judged = await self._run(
                lambda c: self._court.judge_due(c, upto_ms, self._now_ms(), self._most),
                "judge arrivals",
            )
        except DatabaseUnavailable:
            self._most = max(1, self._most // 2)  # it may have been too much for the time
            raise
        except Exception as error:
            if self._most > 1:
                _LOG.warning("arrivals are judged one by one: %r", error)
                self._most = 1
                return True
            visit = await self._run(
                lambda c: postpone(c, upto_ms, POSTPONED_MS), "postpone an arrival"
            )
            _LOG.critical("ALARM: visit %s cannot be judged, later again", visit, exc_info=error)
            return True
        full = judged.arrivals == self._most
        self._most = min(self._most * 2, AT_ONCE)
        self._note(judged)
        return full

    async def _close(self, ladder: str) -> bool:
        """Judge what is left of a ladder that is over; then freeze its ranking."""
        judged = await self._run(
            lambda c: self._court.judge_all_of(c, ladder, self._now_ms(), AT_ONCE),
            f"judge the last arrivals of ladder {ladder}",
        )
        self._note(judged)
        if judged.arrivals == AT_ONCE:
            return True
        if await self._run(
            lambda c: close_ladder(c, ladder, self._now_ms()), f"end ladder {ladder}"
        ):
            _LOG.info("ladder %s has ended, its ranking is frozen", ladder)
        return False

    def _note(self, judged: Judged) -> None:
        for verdict, count in judged.verdicts.items():
            self._figures.count("onair_arrivals_total", count, verdict.value)
        for grant in judged.grants:
            self._figures.count("onair_grants_total", 1, grant.kind.value, grant.state.value)
        self._news.moved(judged.rooms)

    async def _run(self, work: Callable[[sa.Connection], T], attempt: str) -> T:
        return await self._database.run(work, attempt=attempt)


def open_rewards_keeper(
    settings: Settings,
    *,
    commands: RedisClient,
    database: Database,
    written_to_ms: Callable[[], Awaitable[int]],
    figures: Figures,
    name: str,
    now_ms: Callable[[], int],
) -> RewardsKeeper:
    """A keeper with its parts. `name` is the ledger worker's stable name.

    `BadSetting` if the merchant's policies of channels cannot be used. The client and the database
    are the caller's to close, after `run` has ended.
    """
    policies: Policies = load_policies(settings.channel_policies_file)
    giving = Giving(voucher_key(settings), settings.limits.reward_open_days)
    return RewardsKeeper(
        database,
        Court(policies.of, giving),
        Lease(commands, holder(name), LEASE_KEY),
        RewardNews(commands, database, now_ms),
        written_to_ms,
        figures,
        retention_days=settings.limits.visit_retention_days,
        now_ms=now_ms,
    )
