"""Ladders of rewards: tiers that an inviter climbs by valid arrivals. The words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
