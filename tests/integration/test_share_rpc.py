"""Share links over the WebSocket of two real workers: made by people, opened by anybody."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
import sqlalchemy as sa

from rooms.sharing.sources import Quote, ShareLink, Source, Target, TargetKind
from server.database.engine import Database
from server.database.sale_tables import sale_items
from server.database.share_records import ShareRecords
from tests.support.sale_rpc import Denied, Stage
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.sale_rpc_fixtures"]

BROWSERS = {
    "wechat": "Mozilla/5.0 (iPhone) MicroMessenger/8.0.49",
    "qq": "Mozilla/5.0 (Linux; Android 13) MQQBrowser/6.2 V1_AND_SQ_9.0.8 QQ/9.0.8",
}


async def inside(app_name: str, stage: Stage, user: str) -> WireClient:
    """Somebody in the room, inside an app's own browser."""
    app = stage.estate.workers[0]
    client = await WireClient.open(app.ws_url, user_agent_header=BROWSERS[app_name])
    await client.connect(app.token(user, "viewer", [stage.room]))
    await client.subscribe(stage.channel)
    return client


async def shelve(stage: Stage, *products: str) -> None:
    path = f"/api/v1/rooms/{stage.room}/shelf"
    worker = stage.estate.workers[0]
    await asyncio.to_thread(worker.call, "PUT", path, {"products": list(products)})


async def test_a_link_to_the_room_is_the_same_from_every_worker(stage: Stage) -> None:
    async with await stage.entered("ann") as one, await stage.entered("ann", worker=1) as other:
        made = await one.rpc("share.create", {"room": stage.room})
        assert await other.rpc("share.create", {"room": stage.room}) == made
        assert made["url"] == f"/s/{made['code']}"
        assert made["qr"] == f"/s/{made['code']}/qr.svg"
        assert made["policy"]["channel"] == "copy"
        assert made["policy"]["reward"] == "inviter"
        title = stage.room.title()
        assert all(title in text or "Live" in text for text in made["texts"]["en"])
        by_text = await one.rpc("share.create", {"room": stage.room, "channel": "sms"})
        assert by_text["code"] != made["code"]


async def test_whoever_opens_a_link_learns_what_it_stands_for(stage: Stage) -> None:
    async with await stage.entered("ann") as ann:
        made = await ann.rpc("share.create", {"room": stage.room, "channel": "weibo"})
    async with await stage.entered("", worker=1) as nobody:
        opened = await nobody.rpc("share.open", {"code": made["code"]})
    assert opened == {
        "room": stage.room,
        "target": {"kind": "room", "id": ""},
        "at_ms": None,
        "inviter": "a*",
        "channel": "weibo",
        "policy": made["policy"],
        "markups": {},
    }


async def test_nobody_shares_without_a_name(stage: Stage) -> None:
    async with await stage.entered("") as nobody:
        with Denied(401):
            await nobody.rpc("share.create", {"room": stage.room})


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"room": "elsewhere"}, 404, "room"),
        ({"channel": "carrier_pigeon"}, 400, "channel"),
        ({"comment": "never-said"}, 404, "comment"),
        ({"product": "tea"}, 404, "product"),
        ({"comment": "c", "product": "tea"}, 400, "comment"),
        ({"markups": {"tea": 5}}, 422, "markups.tea"),
        ({"markups": {"tea": -1}}, 400, "markups.tea"),
        ({"markups": {"tea": True}}, 400, "markups.tea"),
        ({"campaign": "mine"}, 400, "campaign"),
    ],
)
async def test_a_link_that_cannot_be_made_is_refused_by_field(
    stage: Stage, fields: dict[str, Any], code: int, said: str
) -> None:
    async with await stage.entered("ann") as ann:
        with Denied(code, said):
            await ann.rpc("share.create", {"room": stage.room, **fields})


@pytest.mark.parametrize("code", ["", "short", "A" * 16, "é" * 16, "x" * 64])
async def test_a_code_that_was_made_up_opens_nothing(stage: Stage, code: str) -> None:
    async with await stage.entered("") as nobody:
        with Denied(404, "code"):
            await nobody.rpc("share.open", {"code": code})


async def test_a_product_of_the_shelf_is_shared_by_its_name(stage: Stage) -> None:
    await shelve(stage, "tea")
    async with await stage.entered("ann") as ann:
        made = await ann.rpc("share.create", {"room": stage.room, "product": "tea"})
        assert all("Tea" in text for text in made["texts"]["zh-CN"])
        opened = await ann.rpc("share.open", {"code": made["code"]})
        assert opened["target"] == {"kind": "product", "id": "tea"}


async def test_a_comment_is_quoted_until_it_is_removed(stage: Stage) -> None:
    async with await stage.entered("ann") as ann, await stage.entered("mo", "moderator") as mo:
        said = await ann.rpc("comment.send", {"room": stage.room, "text": "what a glaze"})
        made = await mo.rpc("share.create", {"room": stage.room, "comment": said["id"]})
        opened = await ann.rpc("share.open", {"code": made["code"]})
        assert opened["target"] == {"kind": "comment", "id": said["id"]}
        assert opened["at_ms"] > 0
        assert opened["comment"] == {
            "id": said["id"],
            "name": "a*",
            "text": "what a glaze",
            "at_ms": opened["at_ms"],
        }
        assert "what a glaze" in made["texts"]["en"][0]
        await mo.rpc(
            "comment.remove", {"room": stage.room, "id": said["id"], "reason": "off topic"}
        )
        with Denied(404, "comment"):
            await mo.rpc("share.create", {"room": stage.room, "comment": said["id"]})
    async with await stage.entered("eve", worker=1) as eve:  # a worker that has not shown it
        opened = await eve.rpc("share.open", {"code": made["code"]})
        assert "comment" not in opened
        assert opened["target"]["kind"] == "comment"


async def test_a_comment_that_only_links_still_have_can_be_removed(stage: Stage) -> None:
    database = Database(stage.estate.database_url, threads_max=1, within_s=5)
    source = Source("copy", inviter="ann", link=secrets.token_hex(8))
    target = Target(TargetKind.COMMENT, "long-ago", 17)
    link = ShareLink(source.link, stage.room, source, target, 17, quote=Quote("B*", "call me"))
    records = ShareRecords(database)
    await records.create(link, per_day_max=None)
    removal = {"room": stage.room, "id": "long-ago", "reason": "asked for by its author"}
    async with await stage.entered("ben") as ben, await stage.entered("mo", "moderator") as mo:
        with Denied(403):
            await ben.rpc("comment.remove", removal)
        assert await mo.rpc("comment.remove", removal) == {}
        stored = await records.find(link.id)
        assert stored is not None
        assert stored.quote is None
        with Denied(404, "long-ago"):
            await mo.rpc("comment.remove", removal)
    await database.close()


@pytest.mark.parametrize("app", BROWSERS)
async def test_inside_wechat_and_qq_sharing_is_plain_whatever_the_channel(
    stage: Stage, app: str
) -> None:
    async with await stage.entered("ann") as ann, await inside(app, stage, "ben") as ben:
        made = await ben.rpc("share.create", {"room": stage.room})
        assert made["policy"]["channel"] == app
        for channel in ("copy", "poster", "app"):
            made = await ben.rpc("share.create", {"room": stage.room, "channel": channel})
            assert made["policy"]["reward"] == "nobody"
            assert not made["policy"]["show_rewards"]
            opened = await ann.rpc("share.open", {"code": made["code"]})
            assert opened["policy"]["channel"] == app, "made there, it counts nowhere"
            assert not opened["policy"]["count_arrivals"]
        made = await ann.rpc("share.create", {"room": stage.room})
        assert made["policy"]["count_arrivals"]
        opened = await ben.rpc("share.open", {"code": made["code"]})
        assert not opened["policy"]["count_arrivals"]


async def test_a_reseller_adds_at_most_the_cap_of_the_sale(stage: Stage) -> None:
    await stage.open_sale(tea=5, mug=5)
    await _set_cap(stage, "tea", 300)
    async with await stage.entered("ann") as ann:
        asked = {"room": stage.room, "markups": {"tea": 300, "mug": 0}}
        made = await ann.rpc("share.create", asked)
        async with await stage.entered("ben") as ben:
            assert (await ben.rpc("share.open", {"code": made["code"]}))["markups"] == {"tea": 300}
        assert (await ann.rpc("share.open", {"code": made["code"]}))["markups"] == {}  # her own
        other = await ann.rpc("share.create", {"room": stage.room, "markups": {"tea": 299}})
        assert other["code"] != made["code"]
        for markups, named in (({"tea": 301}, "markups.tea"), ({"mug": 1}, "markups.mug")):
            with Denied(422, named):
                await ann.rpc("share.create", {"room": stage.room, "markups": markups})


async def test_inside_wechat_nobody_is_offered_a_price_of_their_own(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    await _set_cap(stage, "tea", 300)
    await shelve(stage, "tea")
    async with await stage.entered("ann") as ann, await inside("wechat", stage, "ben") as ben:
        asked = {"room": stage.room, "product": "tea"}
        assert (await ann.rpc("share.create", asked))["markup_max"] == {"tea": 300}
        assert "markup_max" not in await ben.rpc("share.create", asked)
        with Denied(403, "markups"):
            await ben.rpc("share.create", asked | {"markups": {"tea": 300}})


async def _set_cap(stage: Stage, sku: str, minor: int) -> None:
    change = (
        sa.update(sale_items)
        .where(sale_items.c.sale_id == stage.sale, sale_items.c.sku == sku)
        .values(markup_max_minor=minor)
    )
    database = Database(stage.estate.database_url, threads_max=1, within_s=5)
    await database.run(lambda connection: connection.execute(change))
    await database.close()
