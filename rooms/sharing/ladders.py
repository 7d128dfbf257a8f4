"""Ladders of rewards: tiers that an inviter climbs by valid arrivals, and what that may cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rooms.sharing.arrivals import Thresholds

TIERS_MAX = 10


class RewardKind(StrEnum):
    COUPON = "coupon"
    POINTS = "points"
    RED_PACKET = "red_packet"
    VOUCHER = "voucher"  # a gift, handed over against a one-time code


class LadderState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    ENDED = "ended"  # its ranking is frozen


class GrantState(StrEnum):
    """granted → opened (red packet) | redeemed (voucher); granted → expired."""

    GRANTED = "granted"
    OPENED = "opened"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    MISSED = "missed"  # the tier was reached when its stock or the budget was spent


@dataclass(frozen=True, slots=True)
class Tier:
    """`needs` valid arrivals bring one reward, once per person, while stock and budget last.

    `cost_minor` is the most that one reward costs the merchant. RED_PACKET: `pool_minor` is split
    into `stock` shares in advance. POINTS: `points`. COUPON: `coupon_batch`.
    """

    number: int  # from 1
    needs: int
    kind: RewardKind
    title: str
    stock: int
    cost_minor: int
    points: int = 0
    coupon_batch: str = ""
    pool_minor: int = 0


@dataclass(frozen=True, slots=True)
class Ladder:
    """As the merchant prepared it. `newcomer_batch` is a coupon for the arrival's own action, where
    the policy of the channel rewards the arrival and not the inviter."""

    id: str
    room: str
    title: str
    currency: str
    budget_minor: int
    tiers: tuple[Tier, ...]
    thresholds: Thresholds
    starts_at_ms: int
    ends_at_ms: int
    newcomer_batch: str = ""
    newcomer_stock: int = 0
    newcomer_cost_minor: int = 0


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What a ladder must know of a batch of coupons. `worth_minor`: the most that one of them
    takes off, None where only a price bounds it; `left`: how many can still be issued, and
    `per_user_max` to one person, None without a bound."""

    currency: str
    left: int
    worth_minor: int | None
    ends_at_ms: int | None = None
    per_user_max: int | None = None


@dataclass(frozen=True, slots=True)
class TierCost:
    """`worst_minor`: if all of its stock is given. `reached_minor`: what one person has cost at
    most who got so far, red packets at their mean; `per_arrival_minor`: per arrival of theirs."""

    number: int
    worst_minor: int
    reached_minor: int
    per_arrival_minor: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What a ladder costs at most, and what a valid arrival costs at its cheapest and dearest
    tier. Fractions are rounded up."""

    worst_minor: int
    newcomer_worst_minor: int
    left_minor: int  # of the budget; negative: it does not cover the worst case
    tiers: tuple[TierCost, ...]

    @property
    def per_arrival_minor(self) -> tuple[int, int]:
        each = [tier.per_arrival_minor for tier in self.tiers]
        return min(each, default=0), max(each, default=0)


class Problem(NamedTuple):
    """Why a ladder cannot be published: what to change, and why."""

    field: str
    message: str


def worst_minor(tier: Tier) -> int:
    """What a tier costs if all of its stock is given."""
    if tier.kind is RewardKind.RED_PACKET:
        return tier.pool_minor
    return tier.stock * tier.cost_minor


def costs(ladder: Ladder) -> Costs:
    """What a ladder may cost, whoever climbs it and how far."""
    tiers: list[TierCost] = []
    reached_minor = 0
    for tier in ladder.tiers:
        worst = worst_minor(tier)
        packet = tier.kind is RewardKind.RED_PACKET
        reached_minor += _up(worst, tier.stock) if packet else tier.cost_minor
        tiers.append(TierCost(tier.number, worst, reached_minor, _up(reached_minor, tier.needs)))
    newcomer = ladder.newcomer_stock * ladder.newcomer_cost_minor
    total = sum(tier.worst_minor for tier in tiers) + newcomer
    return Costs(total, newcomer, ladder.budget_minor - total, tuple(tiers))


def problems(
    ladder: Ladder, batches: Mapping[str, BatchFacts], *, shares_max: int, now_ms: int
) -> list[Problem]:
    """Everything that speaks against publishing; empty: it can be. `batches` are those that
    exist among the ones it names."""
    found: list[Problem] = []
    before = 0
    for tier in ladder.tiers:
        place = f"tiers.{tier.number - 1}"
        if tier.needs <= before:
            found.append(Problem(f"{place}.needs", f"must be more than {before}, the tier before"))
        before = tier.needs
        if tier.stock < 1:
            found.append(Problem(f"{place}.stock", "must be at least 1"))
        found += (Problem(f"{place}.{at}", why) for at, why in _of_kind(tier, shares_max))
    if ladder.newcomer_batch and ladder.newcomer_stock < 1:
        found.append(Problem("newcomer_stock", "must be at least 1"))
    if not ladder.newcomer_batch and ladder.newcomer_stock:
        found.append(Problem("newcomer_batch", "is missing"))
    found += _of_batches(ladder, batches)
    short_minor = -costs(ladder).left_minor
    if short_minor > 0:
        why = f"the worst case costs {short_minor} more than the budget"
        found.append(Problem("budget_minor", why))
    if ladder.ends_at_ms <= max(ladder.starts_at_ms, now_ms):
        found.append(Problem("ends_at_ms", "must be later than its start and than now"))
    return found


def _of_kind(tier: Tier, shares_max: int) -> list[tuple[str, str]]:
    match tier.kind:
        case RewardKind.POINTS if tier.points < 1:
            return [("points", "must be at least 1")]
        case RewardKind.COUPON if not tier.coupon_batch:
            return [("coupon_batch", "is missing")]
        case RewardKind.RED_PACKET if tier.stock > shares_max:
            return [("stock", f"a pool has at most {shares_max} shares")]
        case RewardKind.RED_PACKET if tier.pool_minor < tier.stock:
            return [("pool_minor", "must have at least 1 for each share")]
    return []


def _of_batches(ladder: Ladder, batches: Mapping[str, BatchFacts]) -> list[Problem]:
    """Coupons must exist, be enough for all who draw from a batch, and cost what is said."""
    draws = [
        (f"tiers.{tier.number - 1}.", tier.coupon_batch, tier.stock, tier.cost_minor)
        for tier in ladder.tiers
        if tier.kind is RewardKind.COUPON and tier.coupon_batch
    ]
    if ladder.newcomer_batch:
        of_newcomers = (ladder.newcomer_batch, ladder.newcomer_stock, ladder.newcomer_cost_minor)
        draws.append(("newcomer_", *of_newcomers))
    found: list[Problem] = []
    drawn, each = Counter[str](), Counter[str]()
    settled_ms = ladder.ends_at_ms + ladder.thresholds.settle_ms  # the last arrivals are judged
    for place, name, stock, cost_minor in draws:
        field = f"{place}batch" if place == "newcomer_" else f"{place}coupon_batch"
        batch = batches.get(name)
        if batch is None:
            found.append(Problem(field, f"there is no batch {name!r}"))
            continue
        drawn[name] += stock
        each[name] += place != "newcomer_"
        if batch.per_user_max is not None and each[name] > batch.per_user_max:
            found.append(Problem(field, f"one person gets at most {batch.per_user_max} of it"))
        if batch.currency != ladder.currency:
            found.append(Problem(field, f"its coupons are {batch.currency}"))
        if drawn[name] > batch.left:
            found.append(Problem(field, f"only {batch.left} of it can still be issued"))
        if batch.ends_at_ms is not None and batch.ends_at_ms <= settled_ms:
            found.append(Problem(field, "it ends before the ladder's last rewards are given"))
        if batch.worth_minor is None:
            found.append(
                Problem(field, "it has no cap: nobody can say what a coupon costs at most")
            )
        elif cost_minor < batch.worth_minor:
            why = f"one coupon of it takes off up to {batch.worth_minor}"
            found.append(Problem(f"{place}cost_minor", why))
    return found


def _up(amount: int, parts: int) -> int:
    """A part of an amount, rounded up; the whole amount where there are no parts."""
    return -(-amount // max(parts, 1))
