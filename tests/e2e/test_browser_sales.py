"""Buying in a room as people do it: real browsers, the real server, its store and its ledger."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_sales import (
    BLUE,
    ONE,
    WHITE,
    Sale,
    buy,
    buyer,
    card,
    open_sheet,
    order_of,
    sheet,
    toast,
)
from tests.e2e.browser_support import DESK, Line, Person, Shop, Visit, host_of

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]


def test_a_guest_buys_and_pays_and_everybody_sees_it(visit: Visit, shop: Shop, room: str) -> None:
    sale = Sale(shop, room, WHITE, BLUE).open()
    guest, other = visit(f"/r/{room}"), visit(f"/r/{room}", language="en-US", screen=DESK)
    host = host_of(visit, shop, room)
    for person in (guest, other):
        person.wait_connected()
        expect(card(person).locator(".sale-stock")).to_have_text(re.compile("剩 8 件|8 left"))
        expect(card(person).locator(".price")).to_contain_text("¥59")

    form = open_sheet(guest)
    form.get_by_role("button", name="增加一件").click()
    expect(form.locator(".sale-buy")).to_have_text("立即抢购 · ¥118")
    form.locator(".sale-buy").click()
    guest.page.locator("#name-text").fill("小雨")  # a guest is asked for a name, and then goes on
    guest.page.locator("#name-send").click()
    expect(toast(guest)).to_have_text(re.compile(r"抢到了！请在 0[12]:\d\d 内付款"))
    expect(order_of(guest)).to_have_attribute("data-state", "reserved")
    expect(order_of(guest).locator(".order-title")).to_contain_text("白色 White × 2")
    expect(order_of(guest)).to_be_focused()

    for person in (guest, other):
        expect(card(person).locator(".sale-stock")).to_have_text(re.compile("剩 6 件|6 left"))
    expect(other.page.locator("#ticker")).to_contain_text("just ordered")
    row = host.page.locator(".sale-table tbody tr").first
    expect(row.locator(".count-left")).to_have_text("3")
    expect(row.locator(".count-taken")).to_have_text("2")

    order_of(guest).locator(".order-pay").click()
    expect(order_of(guest)).to_have_attribute("data-state", "paid")
    expect(toast(guest)).to_have_text("付款成功")
    expect(form.locator(".sale-buy")).to_have_text("已达限购数量")
    expect(guest.page.locator(".sale-due")).to_be_hidden()
    sale.wait_books("mug-white", initial=5, available=3, reserved=0, sold=2)
    (order,) = sale.orders()
    assert (order["state"], order["amount_minor"], order["qty"]) == ("paid", 11_800, 2)
    for person in (guest, other, host):
        person.check_clean()


def test_a_countdown_ends_for_everybody_at_the_same_instant(
    visit: Visit, shop: Shop, room: str
) -> None:
    sale = Sale(shop, room, WHITE)
    sale.steer("arm")
    person = buyer(visit, shop, room, "小雨")
    wrong = buyer(visit, shop, room, "小满")
    wrong.page.clock.install(time=0)  # a phone whose clock is decades behind
    wrong.page.reload()
    expect(card(person)).to_have_attribute("data-phase", "armed")
    go = open_sheet(person).locator(".sale-buy")
    expect(go).to_have_text("等待主播开抢")
    sale.steer("open", countdown_seconds=12)
    expect(go).to_have_text(re.compile(r"00:(1[012]|0[1-9]) 后开抢"))
    expect(card(wrong).locator(".sale-left")).to_have_text(re.compile(r"^00:(1[012]|0[1-9])$"))
    assert go.get_attribute("aria-disabled") == "true"
    expect(go).to_have_text("立即抢购 · ¥59")
    go.click()
    expect(order_of(person)).to_have_attribute("data-state", "reserved")
    expect(card(wrong)).to_have_attribute("data-phase", "open")
    expect(person.page.locator("#sale-news")).to_have_text(re.compile("开抢了"))
    person.check_clean()


def test_a_hold_that_runs_out_goes_to_who_waits(visit: Visit, shop: Shop, room: str) -> None:
    sale = Sale(shop, room, ONE, hold_seconds=20, offer_seconds=120).open()
    first, second = buyer(visit, shop, room, "小雨"), buyer(visit, shop, room, "小满")
    buy(first)
    expect(order_of(first)).to_have_attribute("data-state", "reserved")
    expect(card(second)).to_have_attribute("data-phase", "sold_out")
    form = open_sheet(second)
    expect(form.locator(".notes")).to_contain_text("未付款和退款的会重新放出")
    expect(form.locator(".sale-buy")).to_have_text("加入候补")
    form.locator(".sale-buy").click()
    expect(order_of(second)).to_have_attribute("data-state", "queued")
    expect(order_of(second).locator(".order-line")).to_have_text("加入时排在第 1 位")

    # The first never pays.
    expect(order_of(second)).to_have_attribute("data-state", "reserved", timeout=60_000)
    expect(toast(second)).to_have_text(re.compile("轮到您了！请在 0[12]:"))
    expect(toast(first)).to_have_text("超时未付款，已释放")
    order_of(second).locator(".order-pay").click()
    expect(order_of(second)).to_have_attribute("data-state", "paid")
    sale.wait_books("mug-white", available=0, reserved=0, sold=1, waiting=0)
    for person in (first, second):
        person.check_clean()


def test_who_gives_up_a_hold_or_a_place_in_the_waitlist_is_asked_once_more(
    visit: Visit, shop: Shop, room: str
) -> None:
    sale = Sale(shop, room, ONE).open()
    first, second = buyer(visit, shop, room, "小雨"), buyer(visit, shop, room, "小满")
    buy(first)
    expect(order_of(first)).to_have_attribute("data-state", "reserved")
    expect(card(second)).to_have_attribute("data-phase", "sold_out")
    buy(second)
    leave = order_of(second).locator(".order-cancel")
    leave.click()
    expect(leave).to_have_text("再按一次退出")
    leave.click()
    expect(second.page.locator("dialog[open] .order")).to_have_count(0)
    cancel = order_of(first).locator(".order-cancel")
    cancel.click()
    expect(cancel).to_have_text("再按一次取消")
    cancel.click()
    expect(toast(first)).to_have_text("订单已取消")
    expect(card(second)).to_have_attribute("data-phase", "open")
    sale.wait_books("mug-white", available=1, reserved=0, sold=0, waiting=0)


def test_a_purchase_without_an_answer_is_decided_once(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    sale = Sale(shop, room, {**WHITE, "stock": 50, "per_user_max": 50}).open()
    person = buyer(visit, shop, room, "小雨", by=line.url)
    form = open_sheet(person)
    go = form.locator(".sale-buy")
    for number in range(1, 6):
        go.click()
        line.blink()  # sometimes before the request left, sometimes before its answer came
        held = person.page.locator("dialog[open] .order[data-state=reserved]")
        expect(held).to_have_count(number)
        expect(go).to_have_attribute("aria-disabled", "false")
    sale.wait_books("mug-white", available=45, reserved=5)
    assert len(sale.orders()) == 5


def test_a_purchase_survives_a_dead_line_and_a_reload(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    sale = Sale(shop, room, WHITE).open()
    person = buyer(visit, shop, room, "小雨", by=line.url)
    form = open_sheet(person)
    line.cut()
    person.wait_connection("waiting")
    form.locator(".sale-buy").click()
    expect(form.locator(".sale-message")).to_contain_text("网络断开了")
    assert sale.orders() == []
    line.mend()
    person.page.reload()
    person.wait_connected()
    expect(person.page.locator(".sale-due")).to_have_text(re.compile("待付款"))
    sale.wait_books("mug-white", available=4, reserved=1)
    person.page.keyboard.press("o")
    expect(order_of(person)).to_have_attribute("data-state", "reserved")


def test_orders_are_listed_with_what_is_due_first_and_kept_over_a_reload(
    visit: Visit, shop: Shop, room: str
) -> None:
    Sale(shop, room, WHITE, BLUE).open()
    nobody = visit(f"/r/{room}")
    nobody.wait_connected()
    nobody.page.keyboard.press("o")
    expect(nobody.page.locator("dialog.orders-sheet")).to_contain_text("登录后可以看到您的订单")

    person = buyer(visit, shop, room, "小雨")
    person.page.locator("#bag").click()
    person.page.locator("#my-orders").click()
    expect(person.page.locator("dialog.orders-sheet")).to_contain_text("还没有订单")
    person.page.keyboard.press("Escape")
    form = buy(person)
    order_of(person).locator(".order-pay").click()
    expect(order_of(person)).to_have_attribute("data-state", "paid")
    form.get_by_role("radio", name=re.compile("青色")).check()
    form.locator(".sale-buy").click()
    expect(order_of(person)).to_have_attribute("data-state", "reserved")

    person.page.reload()
    person.wait_connected()
    expect(person.page.locator(".sale-due")).to_be_visible()
    person.page.locator(".sale-due").click()
    states = person.page.locator("dialog.orders-sheet .order-state")
    expect(states).to_have_text(["待付款", "已付款"])
    titles = person.page.locator("dialog.orders-sheet .order-title")
    expect(titles.first).to_contain_text("青色 Celadon × 1")
    person.check_clean()


def test_a_room_with_several_sales_shows_them_one_at_a_time(
    visit: Visit, shop: Shop, room: str
) -> None:
    first = Sale(shop, room, WHITE).open()
    second = Sale(shop, room, BLUE, id=f"later-{room}"[:64])
    second.steer("arm")
    person = buyer(visit, shop, room, "小雨")
    expect(card(person)).to_have_attribute("data-sale", first.id)  # it can be bought now
    following = person.page.locator(".sale-next")
    expect(following).to_have_text("1/2")
    following.click()
    expect(card(person)).to_have_attribute("data-sale", second.id)
    expect(following).to_have_text("2/2")
    check_usable(person)
    second.steer("close")
    expect(card(person)).to_have_attribute("data-sale", first.id)
    expect(following).to_be_hidden()
    person.check_clean()


def test_a_sale_can_be_bought_from_without_a_mouse(visit: Visit, shop: Shop, room: str) -> None:
    Sale(shop, room, WHITE, BLUE).open()
    person = buyer(visit, shop, room, "Keys", language="en-US", screen=DESK)
    keys = person.page.keyboard
    expect(card(person)).to_be_visible()
    keys.press("b")
    expect(sheet(person)).to_be_visible()
    focus_on(person, sheet(person).get_by_role("radio").first)
    keys.press("ArrowDown")
    expect(sheet(person).get_by_role("radio", name=re.compile("Celadon"))).to_be_checked()
    focus_on(person, sheet(person).locator(".sale-buy"))
    keys.press("Enter")
    expect(order_of(person)).to_be_focused()
    keys.press("Enter")  # a second press of the same key does not pay
    expect(order_of(person)).to_have_attribute("data-state", "reserved")
    focus_on(person, order_of(person).locator(".order-pay"))
    keys.press("Enter")
    expect(order_of(person)).to_have_attribute("data-state", "paid")
    keys.press("Escape")
    expect(sheet(person)).to_have_count(0)
    expect(card(person).locator(".sale-press")).to_be_attached()
    person.check_clean()


def focus_on(person: Person, wanted: Locator) -> None:
    """Press Tab until it has the focus."""
    for _ in range(30):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        person.page.keyboard.press("Tab")
    raise AssertionError("Tab does not get there")
