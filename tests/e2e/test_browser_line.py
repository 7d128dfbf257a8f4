"""When the line fails: nothing is missing afterwards, and nothing is there twice."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.e2e.browser_support import Line, Shop, Visit, host_of

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]


def said_in(shop: Shop, room: str) -> Counter[str]:
    """How often the server holds each comment."""
    body = {"channel": f"room:{room}", "limit": 300, "since": {"offset": 0, "epoch": ""}}
    events = shop.call("POST", "/api/history", body)["result"]["publications"]
    return Counter(one["data"].get("text", "") for one in events if one["data"]["t"] == "comment")


def test_a_cut_line_loses_nothing_and_repeats_nothing(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    phone = visit(f"/r/{room}", by=line.url)
    other = visit(f"/r/{room}", language="en-US")
    host = host_of(visit, shop, room)
    phone.wait_connected()
    phone.take_name("小雨", "断线之前")
    other.take_name("Emma", "to be removed")
    phone.expect_comments("断线之前", "to be removed")

    line.cut()
    phone.wait_connection("waiting")
    expect(phone.page.locator("#status")).to_have_text("连接中断，正在重连…")
    other.say("while you were away")
    expect(host.comment("while you were away")).to_be_visible()
    host.page.keyboard.press("3")
    host.comment("to be removed").locator(".act-moderate").click()
    host.page.get_by_role("radio", name="其他", exact=True).check()
    host.page.locator(".moderate .button.danger").click()
    expect(other.comment("This comment was removed: Other")).to_be_visible()
    phone.say("离线时写的")
    expect(phone.page.locator(".pending")).to_contain_text("待发送")
    for _ in range(3):
        phone.page.locator("#like").click()
    assert said_in(shop, room)["离线时写的"] == 0

    line.mend()
    phone.wait_connected()
    expect(phone.page.locator("#status")).to_have_text("已重新连接")
    zh = ["断线之前", "该评论已被移除：其他", "while you were away", "离线时写的"]
    phone.expect_comments(*zh)
    host.expect_comments(*zh)
    other.expect_comments(zh[0], "This comment was removed: Other", *zh[2:])
    third = shop.products()[2]["title"]
    expect(phone.page.locator(".product-card .product-title")).to_have_text(third)
    for person in (phone, other):
        expect(person.page.locator("#like-total")).to_contain_text("3 ")
    assert said_in(shop, room)["离线时写的"] == 1
    other.check_clean()


def test_a_phone_that_goes_offline_and_online_again_has_everything_once(
    visit: Visit, shop: Shop, room: str
) -> None:
    phone, other = visit(f"/r/{room}"), visit(f"/r/{room}", language="en-US")
    phone.wait_connected()
    phone.take_name("小雨", "一")
    other.take_name("Emma", "two")
    phone.expect_comments("一", "two")

    phone.context.set_offline(True)
    phone.wait_connection("offline")
    expect(phone.page.locator("#status")).to_contain_text("网络已断开")
    other.say("three")
    other.say("four")
    other.expect_comments("一", "two", "three", "four")
    phone.say("五")
    expect(phone.page.locator(".pending")).to_contain_text("待发送")

    phone.context.set_offline(False)
    phone.wait_connected()
    for person in (phone, other):
        person.expect_comments("一", "two", "three", "four", "五")
    assert said_in(shop, room)["五"] == 1


def test_a_comment_on_its_way_when_the_line_breaks_arrives_once(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    token = shop.token("u1", role="moderator", rooms=[room], name="小雨")  # staff speak freely
    phone, other = visit(f"/r/{room}#token={token}", by=line.url), visit(f"/r/{room}")
    phone.wait_connected()
    words = [f"第{number}句" for number in range(1, 6)]
    for one in words:
        phone.say(one)
        line.blink()  # sometimes before the comment left, sometimes before its answer came
        phone.wait_connection("connected")
    for person in (phone, other):
        person.expect_comments(*words)
    assert said_in(shop, room) == Counter(words)


def test_a_reload_does_not_lose_a_comment_that_waits(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    phone = visit(f"/r/{room}", by=line.url)
    phone.wait_connected()
    phone.take_name("小雨", "先说一句")
    line.cut()
    phone.wait_connection("waiting")
    phone.say("再说一句")
    line.mend()
    phone.page.reload()
    phone.expect_comments("先说一句", "再说一句")
    assert said_in(shop, room)["再说一句"] == 1


def test_a_killed_worker_costs_the_audience_nothing(visit: Visit, shop: Shop, room: str) -> None:
    phone, host = visit(f"/r/{room}"), host_of(visit, shop, room)
    phone.wait_connected()
    phone.take_name("小雨", "之前")
    for _ in range(4):
        phone.page.locator("#like").click()
    host.page.keyboard.press("1")
    expect(host.page.locator("#count-likes")).to_have_text("4")
    expect(host.page.locator(".tile.pinned")).to_have_count(1)  # it was answered
    phone.watch_connection()
    for pid in shop.worker_pids():
        shop.kill_worker(pid)
    phone.wait_was("waiting")
    phone.say("期间")
    phone.expect_comments("之前", "期间")
    host.expect_comments("之前", "期间")
    expect(phone.page.locator("#like-total")).to_have_text("4 次点赞")
    expect(phone.page.locator(".product-card")).to_be_visible()
    assert said_in(shop, room) == Counter(["之前", "期间"])


def test_a_host_without_a_line_is_told_that_nothing_was_done(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    phone = visit(f"/r/{room}")
    host = host_of(visit, shop, room, by=line.url)
    expect(host.page.locator("#line")).to_have_text("已连接")
    line.cut()
    host.wait_connection("waiting")
    expect(host.page.locator("#line")).to_have_text("连接中")
    host.page.keyboard.press("2")
    expect(host.page.locator("#toast")).to_have_text("网络未连接，请稍后再试")
    expect(host.page.locator(".tile.pinned")).to_have_count(0)
    line.mend()
    host.wait_connected()
    host.page.keyboard.press("2")
    expect(phone.page.locator(".product-card")).to_be_visible()
    expect(host.page.locator(".tile.pinned .tile-number")).to_have_text("2")
