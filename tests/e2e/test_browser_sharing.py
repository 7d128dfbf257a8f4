"""Sharing as people do it: two browsers, the real server, and what its merchant reads."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser_sales import WHITE, Sale, card, open_sheet, order_of, sheet, toast
from tests.e2e.browser_sharing import (
    JUDGED_WITHIN_MS,
    WECHAT,
    bring_friends,
    grant_coupon,
    link_in,
    member,
    publish_ladder,
    ready_sheet,
    share_sheet,
    steps_of,
    user_of,
    wait_visit,
)
from tests.e2e.browser_support import Person, Shop, Visit
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]

POINTS = {"needs": 1, "kind": "points", "title": "一百积分 100 points", "stock": 10, "points": 100}
COUPON = {"needs": 3, "kind": "points", "title": "三百积分 300 points", "stock": 5, "points": 300}


def invite(person: Person) -> Locator:
    return person.page.locator("#invite")


def reward_tab(person: Person, name: str) -> Locator:
    """One view of the sheet of rewards, loaded."""
    dialog = person.page.locator("dialog.reward-sheet")
    dialog.locator(f"input[value={name}]").check()
    view = dialog.locator(".reward-view")
    expect(view).to_be_visible()
    return view


def earned(person: Person) -> list[str]:
    """What has become of each earning, asked for anew."""
    reward_tab(person, "ranking")
    rows = reward_tab(person, "earnings").locator(".earning")
    states: list[str] = rows.evaluate_all("rows => rows.map((row) => row.dataset.state)")
    return states


def coupons_after_a_look(person: Person) -> list[str | None]:
    """The states of the person's coupons, read anew."""
    person.page.keyboard.press("Escape")
    person.page.keyboard.press("o")
    expect(order_of(person)).to_be_visible()
    return [
        each.get_attribute("data-state")
        for each in person.page.locator(".my-coupons .coupon").all()
    ]


def test_a_friend_comes_by_a_link_stays_and_buys_and_the_sharer_is_rewarded_once(
    visit: Visit, shop: Shop, room: str
) -> None:
    sale = Sale(shop, room, WHITE).open()
    ladder = publish_ladder(shop, room, POINTS, COUPON)
    plan = {"level1_bp": 1_000, "window_days": 7}
    shop.call("PUT", f"/api/v1/rooms/{room}/commission", plan)
    ann = member(visit, shop, f"/r/{room}", "安安")
    expect(invite(ann)).to_have_text("邀请有礼 0/1")
    path = link_in(share_sheet(ann))
    ann.page.keyboard.press("Escape")

    bob = member(visit, shop, path, "小柏")
    expect(toast(bob)).to_have_text("安* 邀您来看直播，欢迎！")
    grant_coupon(shop, f"five-{room}"[:64], user_of(bob))
    bob.page.reload()
    bob.wait_connected()
    bob.say("这个杯子好看吗？")
    expect(bob.comment("这个杯子好看吗？")).to_be_visible()
    order = buy_with_coupon(bob)

    expect(invite(ann)).to_have_text("邀请有礼 1/3", timeout=JUDGED_WITHIN_MS)
    invite(ann).click()
    first = ann.page.locator(".tier[data-tier='1']")
    expect(first).to_have_attribute("data-state", "granted")
    expect(reward_tab(ann, "rewards").locator(".reward")).to_have_count(1)
    expect(ann.page.locator(".reward")).to_contain_text("100 积分")
    expect(reward_tab(ann, "ranking").locator(".rank")).to_have_count(1)
    wait_until_sync(lambda: earned(ann) == ["pending"], 40, "the commission is pending")
    expect(ann.page.locator(".earning")).to_contain_text("¥5.40")

    check_what_the_merchant_reads(shop, room, sale, ann, bob, order)
    refund = {"restock": True, "reason": "returned", "request_id": "r1"}
    shop.call("POST", f"/api/v1/orders/{order}/refund", refund)
    expect(toast(bob)).to_have_text("订单已退款")
    wait_until_sync(
        lambda: coupons_after_a_look(bob) == ["granted"], 30, "the coupon has come back"
    )
    expect(order_of(bob)).to_have_attribute("data-state", "refunded")

    wait_until_sync(lambda: earned(ann) == ["reversed"], 15, "the commission is reversed")
    expect(reward_tab(ann, "rewards").locator(".reward")).to_have_count(1)
    grants = shop.call("GET", f"/api/v1/ladders/{ladder}/grants")["grants"]
    assert [(one["user"], one["tier"]) for one in grants] == [(user_of(ann), 1)]
    for person in (ann, bob):
        person.check_clean()


def buy_with_coupon(person: Person) -> str:
    """Choose the coupon, read what it does, order and pay; the id of the order."""
    form = open_sheet(person)
    form.locator(".coupon-picker summary").click()
    form.get_by_role("checkbox").check()
    expect(form.locator(".sums .used").last).to_have_text("−¥5")
    expect(form.locator(".sums .pay").last).to_have_text("¥54")
    expect(form.locator(".sale-buy")).to_have_text("立即抢购 · ¥54")
    form.locator(".sale-buy").click()
    order = order_of(person)
    expect(order).to_have_attribute("data-state", "reserved")
    expect(order.locator(".order-saved")).to_have_text("优惠券已减 ¥5")
    order.locator(".order-pay").click()
    expect(order).to_have_attribute("data-state", "paid")
    expect(order.locator(".price")).to_have_text("¥54")
    name = order.get_attribute("data-order")
    assert name
    return name


def check_what_the_merchant_reads(
    shop: Shop, room: str, sale: Sale, ann: Person, bob: Person, order: str
) -> None:
    """The friend's path step by step, and where the friend and the order came from."""
    visit = wait_visit(
        shop,
        room,
        lambda one: bool(one["placed"]),
        "the order is in the visit",
        person=user_of(bob),
    )
    source = visit["source"]
    assert (source["channel"], source["inviter"]) == ("copy", user_of(ann))
    assert visit["placed"] == [
        {"id": order, "state": "paid", "amount_minor": 5_400, "currency": "CNY"}
    ]
    path = [t for t, _facts in steps_of(visit, "card_seen", "leave", "gone")]
    expected = ["enter", "enter", "comment", "card_open", "checkout", "order", "paid"]
    assert [t for t in path if t in expected] == expected
    assert visit["visible_ms"] >= 1_000
    (stored,) = sale.orders()
    assert stored["source"]["inviter"] == user_of(ann)
    report = shop.call("GET", f"/api/v1/sources?room={room}&by=inviter")
    by_inviter = {row["source"]: row["orders"] for row in report["sources"]}
    assert by_inviter.get(user_of(ann)) == 1
    assert report["total"]["orders"] == sum(by_inviter.values())


def test_a_guest_who_never_signs_in_comes_back_step_by_step(
    visit: Visit, shop: Shop, room: str
) -> None:
    sale = Sale(shop, room, WHITE).open()
    guest, other = visit(f"/r/{room}?channel=weibo&campaign=spring"), visit(f"/r/{room}")
    for person in (guest, other):
        person.wait_connected()
    expect(card(guest)).to_be_visible()
    guest.page.locator("#bag").click()
    guest.page.locator(".shelf-row").nth(1).click()
    expect(guest.page.locator("dialog.product-sheet")).to_be_visible()
    guest.page.keyboard.press("Escape")
    guest.page.keyboard.press("Escape")
    guest.page.locator("#like").click()
    expect(other.page.locator("#like-total")).to_have_text("1 次点赞")
    open_sheet(guest)
    opened = ("card_open", {"product": "mug"})
    wait_visit(shop, room, lambda one: opened in steps_of(one), "it was told", channel="weibo")
    guest.leave()

    recorded = wait_visit(
        shop,
        room,
        lambda one: one["steps"][-1]["t"] == "gone",
        "the guest has gone",
        channel="weibo",
    )
    seen = {facts["product"] for t, facts in steps_of(recorded) if t == "card_seen"}
    assert {"mug", "tea"} <= seen
    told = steps_of(recorded, "card_seen", "like", "leave", "gone")
    assert told == [
        ("enter", {"channel": "weibo", "campaign": "spring"}),
        ("card_open", {"product": "tea"}),
        ("card_open", {"product": "mug"}),
    ]
    assert (recorded["likes"], recorded["actions"], recorded["person"]) == (1, 1, "")
    assert recorded["source"]["channel"] == "weibo"
    assert recorded["left"]
    assert sale.orders() == []


def test_who_takes_a_name_on_the_way_keeps_where_the_visit_came_from(
    visit: Visit, shop: Shop, room: str
) -> None:
    sale = Sale(shop, room, WHITE).open()
    ann = member(visit, shop, f"/r/{room}", "安安")
    guest = visit(link_in(share_sheet(ann)))
    guest.wait_connected()
    open_sheet(guest).locator(".sale-buy").click()
    guest.page.locator("#name-text").fill("小雨")  # another connection, the same visit
    guest.page.locator("#name-send").click()
    expect(order_of(guest)).to_have_attribute("data-state", "reserved")
    wait_until_sync(lambda: bool(sale.orders()), 15, "the order is in the ledger")
    recorded = wait_visit(
        shop, room, lambda one: bool(one["placed"]), "the order is seen", inviter=user_of(ann)
    )
    (order,) = sale.orders()
    assert order["source"]["visit"] == recorded["id"]
    assert order["source"]["inviter"] == recorded["source"]["inviter"] == user_of(ann)
    told = [t for t, _facts in steps_of(recorded, "card_seen", "gone", "like")]
    assert told == ["enter", "card_open", "checkout", "signed_in", "enter", "order"]
    for person in (ann, guest):
        person.check_clean()


def test_in_wechat_there_is_plain_sharing_and_no_incentive(
    visit: Visit, shop: Shop, room: str
) -> None:
    publish_ladder(shop, room, POINTS, COUPON)
    outside = member(visit, shop, f"/r/{room}", "安安")
    expect(invite(outside)).to_have_text("邀请有礼 0/1")
    plain = link_in(share_sheet(outside))
    inside = member(visit, shop, f"/r/{room}", "安安", user_agent=WECHAT)  # the same person
    bring_friends(visit, shop, room, plain, 1)
    expect(invite(outside)).to_have_text("邀请有礼 1/3", timeout=JUDGED_WITHIN_MS)
    form = share_sheet(inside)
    expect(form.get_by_role("radio", name="微信", exact=True)).to_be_checked()
    for part in (".share-reward", ".share-why"):
        expect(form.locator(part)).to_be_hidden()
    path = link_in(form)
    expect(invite(inside)).to_be_hidden()
    inside.page.keyboard.press("Escape")
    inside.page.keyboard.press("o")
    expect(inside.page.locator("dialog.orders-sheet")).to_be_visible()
    expect(inside.page.locator(".my-rewards")).to_be_hidden()
    shown = inside.page.locator("body").inner_text()
    assert not re.search("奖励|有礼|积分|邀请|恭喜", shown)

    friend = member(visit, shop, path, "小满", user_agent=WECHAT)
    friend.say("你好")
    expect(friend.comment("你好")).to_be_visible()
    recorded = wait_visit(
        shop, room, lambda one: one["comments"] == 1, "the friend speaks", person=user_of(friend)
    )
    assert (recorded["app"], recorded["source"]["channel"]) == ("wechat", "wechat")
    assert recorded["source"]["inviter"] == user_of(inside)
    for person in (outside, inside, friend):
        person.check_clean()


def test_a_product_is_shared_at_a_price_of_ones_own_and_sold_at_exactly_that(
    visit: Visit, shop: Shop, room: str
) -> None:
    resale = {**WHITE, "markup_max_minor": 1_000}
    sale = Sale(shop, room, resale).open()
    ann = member(visit, shop, f"/r/{room}", "安安")
    open_sheet(ann).locator(".sale-share").click()
    form = ready_sheet(ann)
    plain = link_in(form)
    form.locator(".markup summary").click()
    price = form.get_by_label(re.compile("您的售价"))
    price.fill("70")
    expect(form.locator(".markups [role=status]")).to_have_text("请填写 ¥59 到 ¥69")
    expect(form.locator(".share-copy")).to_be_disabled()  # no link has this price
    price.fill("66")
    expect(form.locator(".markups [role=status]")).to_have_text(re.compile("每件您得 ¥7"))
    expect(form.locator(".share-text")).not_to_contain_text(plain)
    path = link_in(ready_sheet(ann))

    bob = member(visit, shop, path, "小柏")
    expect(sheet(bob)).to_be_visible()  # a link to a product opens it
    expect(card(bob).locator(".price")).to_have_text("¥66")
    expect(sheet(bob).locator(".sale-top .price")).to_have_text("¥66")
    buy = sheet(bob).locator(".sale-buy")
    expect(buy).to_have_text("立即抢购 · ¥66")
    expect(buy).to_have_attribute("aria-disabled", "false")
    buy.click()
    order = order_of(bob)
    expect(order.locator(".price")).to_have_text("¥66")
    order.locator(".order-pay").click()
    expect(order).to_have_attribute("data-state", "paid")
    wait_until_sync(
        lambda: [one["state"] for one in sale.orders()] == ["paid"], 30, "the order is written"
    )
    (stored,) = sale.orders()
    assert (stored["amount_minor"], stored["items"][0]["price_minor"]) == (6_600, 6_600)
    own = member(visit, shop, plain, "小满")
    expect(sheet(own).locator(".sale-top .price")).to_have_text("¥59")
    for person in (ann, bob, own):
        person.check_clean()


def test_a_shared_comment_is_quoted_and_marked_and_goes_when_it_is_removed(
    visit: Visit, shop: Shop, room: str
) -> None:
    ann = member(visit, shop, f"/r/{room}", "安安")
    ann.say("釉色像雨后的山")
    ann.comment("釉色像雨后的山").locator("button.bubble").click()
    ann.page.locator(".comment-share").click()
    form = ready_sheet(ann)
    expect(form.locator(".share-quote")).to_contain_text("釉色像雨后的山")
    path = link_in(form)
    friend = visit(path)
    quote = friend.page.locator("#shared")
    expect(quote).to_contain_text("安*")
    expect(quote).to_contain_text("釉色像雨后的山")
    expect(friend.page.locator(".quoted-row")).to_have_count(1)
    assert friend.page.locator('meta[property="og:description"]').get_attribute("content")
    (comment,) = friend.page.locator("#stream > li").evaluate_all(
        "rows => rows.map((row) => row.dataset.id)"
    )
    host = member(visit, shop, f"/r/{room}", "小安")
    token = shop.token("host-1", role="host", rooms=[room])
    host.page.evaluate(REMOVE, [token, room, comment])
    expect(quote).to_be_hidden()
    expect(friend.page.locator(".gone")).to_be_visible()
    friend.check_clean()


REMOVE = """async ([token, room, id]) => {
  const { LiveClient } = await import('/static/live-client.js');
  const address = `${location.origin.replace(/^http/, 'ws')}/connection/websocket`;
  const client = new LiveClient(address, { token });
  const subscription = client.subscribe(`room:${room}`);
  await new Promise((resolve) => { subscription.on('subscribed', resolve); client.connect(); });
  await client.rpc('comment.remove', { room, id, reason: 'spam' });
  client.disconnect();
}"""
