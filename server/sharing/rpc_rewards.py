"""The remote procedures of rewards: how far one has climbed, who is ahead, what one was given.

Inside an app whose policy hides rewards they tell of none. What is owned stays: it is shown, and
red packets are opened, in any other browser.
"""

from __future__ import annotations

from server import rpc_requests as ask
from server.replies import not_allowed, sign_in_first
from server.rpc import Result, Rpc, joined
from server.sharing.reward_desk import RewardDesk, reward_json
from server.viewer import Viewer

RANKS_USUAL = 10


class Rewards:
    """`share.progress`, `share.ranking`, `reward.list` and `reward.open`."""

    def __init__(self, desk: RewardDesk) -> None:
        self._desk = desk

    def procedures(self) -> dict[str, Rpc]:
        return {
            "share.progress": Rpc(ask.InRoom, self._progress),
            "share.ranking": Rpc(ask.ShareRanking, self._ranking),
            "reward.list": Rpc(ask.Nothing, self._list),
            "reward.open": Rpc(ask.RewardNamed, self._open),
        }

    async def _progress(self, viewer: Viewer, request: ask.InRoom) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("see your progress")
        room = joined(viewer, request.room)
        return await self._desk.progress(room.room_id, viewer.user_id, viewer.origin.app)

    async def _ranking(self, viewer: Viewer, request: ask.ShareRanking) -> Result:
        room = joined(viewer, request.room)
        user = "" if viewer.identity.is_anonymous else viewer.user_id
        limit = request.limit or RANKS_USUAL
        return await self._desk.ranking(room.room_id, limit, user, viewer.origin.app)

    async def _list(self, viewer: Viewer, request: ask.Nothing) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("see your rewards")
        if not self._desk.shows_rewards(viewer.origin.app):
            return {"rewards": []}
        rewards = await self._desk.rewards.of_user(viewer.user_id)
        return {"rewards": [reward_json(grant) for grant in rewards]}

    async def _open(self, viewer: Viewer, request: ask.RewardNamed) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("open red packets")
        if not self._desk.shows_rewards(viewer.origin.app):
            raise not_allowed("rewards are not shown in this app: open it in another browser")
        grant = await self._desk.open(request.grant, viewer.user_id)
        return {"reward": reward_json(grant)}
