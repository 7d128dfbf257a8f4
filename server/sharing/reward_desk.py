"""What people and merchants are told of ladders and rewards, and what they may do with them.

Web workers read here, open red packets and redeem vouchers; they never grant anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rooms.sharing.arrivals import Thresholds
from rooms.sharing.ladders import GrantState, Ladder, RewardKind, Tier
from rooms.sharing.policy import ChannelPolicy, Policies
from rooms.sharing.vouchers import checked_code
from server.database.engine import Database
from server.database.ladder_records import LadderRecords
from server.database.ladder_words import (
    Grant,
    LadderRecord,
    NotOpenable,
    Progress,
    Rank,
    Ranking,
    UnknownGrant,
)
from server.database.reward_records import RewardRecords
from server.replies import Refused, conflict, rejected, unknown
from server.settings import Limits, Settings
from server.sharing.keys import derived_key
from server.sharing.policies import policy_json

COPY = "copy"  # the channel of those who are in no app
RANKING_KEPT_S = 2.0
ROOMS_REMEMBERED = 1_000


def voucher_key(settings: Settings) -> bytes:
    """What signs the codes of vouchers, the same in every process."""
    return derived_key(settings, "vouchers")


def usual_thresholds(limits: Limits) -> Thresholds:
    """When an arrival counts, for ladders that do not say it themselves."""
    return Thresholds(
        stay_ms=limits.arrival_stay_s * 1000,
        actions=limits.arrival_actions,
        settle_ms=limits.arrival_settle_s * 1000,
        first_action_after_ms=limits.first_action_after_ms,
        persons_per_device_max=limits.persons_per_device_max,
        arrivals_per_net_max=limits.arrivals_per_net_max,
        arrivals_per_agent_max=limits.arrivals_per_agent_max,
        own_browser_max=limits.own_browser_max,
        cluster_window_ms=limits.cluster_window_ms,
    )


@dataclass(slots=True)
class _Kept:
    """A room's ranking as it was read last, or is read now: once for all who ask meanwhile."""

    at_s: float
    reading: asyncio.Task[Ranking | None]


class RewardDesk:
    """One for a worker. All calls that wait raise `DatabaseUnavailable`."""

    def __init__(
        self,
        ladders: LadderRecords,
        rewards: RewardRecords,
        policies: Policies,
        key: bytes,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        self.ladders = ladders
        self.rewards = rewards
        self.limits = limits
        self._policies = policies
        self._key = key
        self._now_ms = now_ms
        self._rankings: dict[str, _Kept] = {}

    def policy(self, app: str) -> ChannelPolicy:
        """What holds for somebody who shares from the browser of this app, or from their own."""
        return self._policies.of(app if app in self._policies else COPY, app)

    def shows_rewards(self, app: str) -> bool:
        """Whether somebody in the browser of this app may be shown rewards for sharing."""
        return self.policy(app).show_rewards

    async def progress(self, room: str, user: str, app: str) -> dict[str, Any]:
        """The answer of `share.progress`; where rewards may not be shown, it tells of none."""
        policy = self.policy(app)
        found = None
        if policy.show_rewards and await self._ranking(room) is not None:
            found = await self.rewards.progress(room, user, self._now_ms())
        return progress_json(room, found) | {"policy": policy_json(policy)}

    async def ranking(self, room: str, limit: int, user: str, app: str) -> dict[str, Any]:
        """The answer of `share.ranking`; `top` may be RANKING_KEPT_S old, but never older than
        what the room was told.
        """
        if not self.policy(app).show_rewards:
            return ranking_json(None, limit)
        ranking = await self._ranking(room)
        own = None
        if ranking is not None and user:
            place = await self.rewards.ranking(ranking.ladder, 0, user)
            own = None if place is None else place.own
        return ranking_json(ranking, limit, own)

    async def _ranking(self, room: str) -> Ranking | None:
        """A room's ranking, read once in RANKING_KEPT_S for all; None: it has no ladder."""
        now_s = time.monotonic()
        kept = self._rankings.get(room)
        if kept is None or now_s >= kept.at_s + RANKING_KEPT_S:
            if len(self._rankings) >= ROOMS_REMEMBERED:
                self._rankings.clear()
            most = self.limits.ranking_rows_max
            asked = self.rewards.ranking_of_room(room, most, self._now_ms())
            kept = self._rankings[room] = _Kept(now_s, asyncio.create_task(asked))
            kept.reading.add_done_callback(lambda task: self._read(room, task))
        return await asyncio.shield(kept.reading)  # whoever hangs up takes it from nobody

    def forget_ranking(self, room: str) -> None:
        """There is a newer one: whoever asks from now on is answered by a reading of after this."""
        self._rankings.pop(room, None)

    def _read(self, room: str, task: asyncio.Task[Ranking | None]) -> None:
        """What could not be read is asked for again by the next one."""
        kept = self._rankings.get(room)
        failed = task.cancelled() or task.exception() is not None
        if failed and kept is not None and kept.reading is task:
            self.forget_ranking(room)

    async def open(self, grant: str, user: str) -> Grant:
        """Open a red packet; 404, 409 and 422 say why not."""
        try:
            return await self.rewards.open(grant, user, self._now_ms())
        except UnknownGrant:
            raise unknown("grant", grant) from None
        except NotOpenable as error:
            if error.state is None:
                raise rejected("grant: it is no red packet") from None
            raise conflict(f"grant: it is {error.state}") from None

    def code(self, typed: str) -> str:
        """A voucher's code as it was printed; 404 if this shop has never signed it."""
        code = checked_code(self._key, typed)
        if code is None:
            raise Refused(404, "code: is not one of this shop")
        return code


def open_reward_desk(
    settings: Settings, database: Database, policies: Policies, now_ms: Callable[[], int]
) -> RewardDesk:
    """The desk of one worker."""
    limits = settings.limits
    ladders = LadderRecords(
        database, per_room_max=limits.ladders_per_room_max, shares_max=limits.reward_shares_max
    )
    rewards = RewardRecords(database)
    return RewardDesk(ladders, rewards, policies, voucher_key(settings), limits, now_ms)


def progress_json(room: str, found: Progress | None) -> dict[str, Any]:
    """How far somebody has climbed, as `share.progress` says it, but for the policy.

    Which rule an arrival failed is the merchant's to know: whoever farms would learn from it.
    """
    if found is None:
        nothing: dict[str, Any] = {"room": room, "ladder": None, "valid": 0, "pending": 0}
        return nothing | {"refused": 0, "next_tier": None, "tiers": [], "granted": []}
    record = found.ladder
    ahead = (tier.number for tier in record.terms.tiers if tier.needs > found.valid)
    return {
        "room": room,
        "ladder": ladder_json(record),
        "valid": found.valid,
        "pending": found.pending,
        "refused": found.refused,
        "next_tier": next(ahead, None),
        "tiers": [
            _tier_json(tier, left)
            for tier, left in zip(record.terms.tiers, record.left, strict=True)
        ],
        "granted": [reward_json(grant) for grant in found.grants],
    }


def ladder_json(record: LadderRecord) -> dict[str, Any]:
    """What everybody may know of a ladder."""
    terms: Ladder = record.terms
    return {
        "id": terms.id,
        "title": terms.title,
        "currency": terms.currency,
        "state": record.state.value,
        "starts_at_ms": terms.starts_at_ms,
        "ends_at_ms": terms.ends_at_ms,
        "stay_s": -(-terms.thresholds.stay_ms // 1000),
        "actions": terms.thresholds.actions,
        "member_only": terms.thresholds.member_only,
    }


def _tier_json(tier: Tier, left: int) -> dict[str, Any]:
    return {
        "number": tier.number,
        "needs": tier.needs,
        "kind": tier.kind.value,
        "title": tier.title,
        "left": left,
        **({"points": tier.points} if tier.kind is RewardKind.POINTS else {}),
    }


def reward_json(grant: Grant) -> dict[str, Any]:
    """A reward as its person sees it."""
    told: dict[str, Any] = {
        "grant": grant.id,
        "room": grant.room,
        "ladder": grant.ladder,
        "tier": grant.tier,
        "kind": grant.kind.value,
        "title": grant.title,
        "state": grant.state.value,
        "at_ms": grant.at_ms,
        "value": _value(grant),
    }
    if grant.kind is RewardKind.RED_PACKET:
        told["currency"] = grant.currency
        if grant.state is GrantState.GRANTED:
            told["expires_at_ms"] = grant.expires_at_ms
    return told | ({"why": grant.why} if grant.why else {})


def _value(grant: Grant) -> str | int | None:
    if grant.state is GrantState.MISSED:
        return None
    match grant.kind:
        case RewardKind.COUPON:
            return grant.coupon
        case RewardKind.POINTS:
            return grant.points
        case RewardKind.VOUCHER:
            return grant.code
        case RewardKind.RED_PACKET:
            return grant.value_minor if grant.state is GrantState.OPENED else None


def ranking_json(ranking: Ranking | None, limit: int, own: Rank | None = None) -> dict[str, Any]:
    """A ranking as everybody sees it, and one's own place."""
    if ranking is None:
        return {"ladder": None, "frozen": False, "top": [], "me": None}
    return {
        "ladder": ranking.ladder,
        "frozen": ranking.frozen,
        "top": [
            {"rank": one.rank, "name": one.name, "valid": one.valid} for one in ranking.top[:limit]
        ],
        "me": None if own is None else {"rank": own.rank, "valid": own.valid},
    }
