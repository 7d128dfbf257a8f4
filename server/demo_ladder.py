"""The ladder of the demo: three friends bring a coupon, ten a red packet, thirty a mug."""

from __future__ import annotations

import logging
import secrets
import time

from flash_sale.pricing import CouponKind, CouponTerms
from rooms.sharing.arrivals import Thresholds
from rooms.sharing.ladders import Ladder, LadderState, RewardKind, Tier
from server.database.coupon_records import Batch, CouponRecords
from server.database.engine import Database
from server.database.errors import DuplicateId, UnknownRoom
from server.database.ladder_records import LadderRecords
from server.database.ladder_words import NotPublishable, TooManyLadders
from server.settings import Settings

_LOG = logging.getLogger("onair.demo")

ID = "demo-friends"
RUNS_MS = 30 * 86_400_000
BATCH = Batch(
    CouponTerms("demo-friends-10", "分享有礼 10 元 10 off", CouponKind.AMOUNT, "CNY", 1_000),
    issue_max=200,
)
TIERS = (
    Tier(1, 3, RewardKind.COUPON, "10 元优惠券 10 off", 100, 1_000, coupon_batch=BATCH.terms.id),
    Tier(2, 10, RewardKind.RED_PACKET, "拼手气红包 Lucky red packet", 20, 0, pool_minor=20_000),
    Tier(3, 30, RewardKind.VOUCHER, "手工陶瓷杯 A handmade mug", 5, 8_900),
)
# Whoever tries the demo sits at one machine, and does not want to wait for a minute.
THRESHOLDS = Thresholds(
    stay_ms=20_000,
    settle_ms=5_000,
    arrivals_per_net_max=1_000,
    arrivals_per_agent_max=1_000,
    own_browser_max=1_000,
)


async def open_ladder(database: Database, settings: Settings, room: str) -> None:
    """Make and publish the ladder of the demo's room, if that was not done before.

    Safe to repeat, also after it was cut short; one that was ended stays as it is.
    """
    limits = settings.limits
    ladders = LadderRecords(
        database, per_room_max=limits.ladders_per_room_max, shares_max=limits.reward_shares_max
    )
    now_ms = time.time_ns() // 1_000_000
    try:
        record = await ladders.find(ID)
        if record is None:
            coupons = CouponRecords(database)
            if await coupons.find(BATCH.terms.id) is None:
                await coupons.create(BATCH)
            record = await ladders.create(_terms(room, now_ms), now_ms)
        if record.state is LadderState.DRAFT:
            await ladders.publish(ID, now_ms, secrets.randbits(64))
    except (DuplicateId, UnknownRoom):  # another machine does it; or the room is gone
        return
    except (NotPublishable, TooManyLadders) as error:
        _LOG.warning("the ladder of the demo stays as it is: %s", error)


def _terms(room: str, now_ms: int) -> Ladder:
    return Ladder(
        id=ID,
        room=room,
        title="邀请好友，分享有礼 Bring friends",
        currency="CNY",
        budget_minor=200_000,
        tiers=TIERS,
        thresholds=THRESHOLDS,
        starts_at_ms=now_ms,
        ends_at_ms=now_ms + RUNS_MS,
    )
