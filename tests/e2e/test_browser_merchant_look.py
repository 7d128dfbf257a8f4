"""The merchant desk when things go wrong, and for everybody who must be able to use it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_merchant import Desk, answer, buy, go, open_sale, press
from tests.e2e.browser_support import DESK, PHONE, Line, Shop, Visit
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures", "tests.e2e.browser_merchant_fixtures"]

# what may go wrong


def test_a_restock_whose_answer_was_lost_is_pressed_again_and_done_once(
    desk: Desk, shop: Shop, sale: str
) -> None:
    open_sale(shop, sale)
    person = desk(f"#/sales/{sale}")
    page = person.page
    press(person, "补货")
    page.get_by_label("补货件数").fill("7")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/restock", lose, times=1)
    press(person, "补货 7 件", "dialog[open]")
    expect(page.locator("dialog .field-error")).to_contain_text("不会重复执行")
    expect(page.get_by_label("补货件数")).to_be_disabled()
    answer(person, "补货 7 件")
    expect(page.locator("[data-sku=desk-mug-white]")).to_contain_text("在售 17 件")
    assert shop.call("GET", f"/api/v1/sales/{sale}")["items"][0]["stock"] == 17


def test_a_refused_act_is_told_in_the_question_and_the_numbers_are_fresh_after(
    desk: Desk, shop: Shop, sale: str
) -> None:
    open_sale(shop, sale)
    person = desk(f"#/sales/{sale}")
    press(person, "暂停")
    shop.call("POST", f"/api/v1/sales/{sale}/close", {})
    press(person, "暂停", "dialog[open]")
    expect(person.page.locator("dialog .field-error")).to_be_visible()
    press(person, "取消", "dialog[open]")
    expect(person.page.locator(".page-title .state")).to_have_text("已结束")


def test_lists_say_that_they_load_fail_and_work_again(
    desk: Desk, shop: Shop, line: Line, sale: str
) -> None:
    person = desk("#/rooms", by=line.url)
    page = person.page
    expect(page.locator(".table")).to_be_visible()
    line.cut()
    page.locator("[data-view=products]").click()
    failing = page.locator(".state-card.failing")
    expect(failing).to_contain_text("连不上服务器")
    line.mend()
    press(person, "重试")
    expect(page.locator(".table")).to_contain_text("青瓷杯 Mug")

    open_sale(shop, sale)
    go(person, f"#/books/{sale}")
    expect(page.locator(".verdict")).to_be_visible()
    line.cut()
    expect(page.locator(".load-remark")).to_contain_text("没能刷新")
    expect(page.locator(".verdict")).to_be_visible()
    line.mend()
    expect(page.locator(".load-remark")).to_be_hidden()


def test_a_list_shows_its_bones_while_it_loads_and_says_when_it_is_empty(
    desk: Desk, shop: Shop
) -> None:
    person = desk("#/rooms", rooms=["nowhere-yet"])
    expect(person.page.locator(".state-card h2")).to_have_text("还没有直播间")
    held: list[Route] = []
    person.page.route("**/api/v1/sales*", lambda route: held.append(route))
    person.page.locator("[data-view=sales]").click()
    expect(person.page.locator(".skeleton")).to_be_visible()
    expect(person.page.locator(".load-body")).to_have_attribute("aria-busy", "true")
    wait_until_sync(lambda: person.page.evaluate("1") and held, 15, "the list is asked for")
    for route in held:
        route.continue_()
    expect(person.page.locator(".state-card h2")).to_have_text("还没有抢购")


def test_a_long_list_is_loaded_page_by_page_and_a_page_that_fails_is_asked_for_again(
    desk: Desk, shop: Shop
) -> None:
    names = [f"many-{number:02}" for number in range(52)]
    for name in names:
        shop.call("POST", "/api/v1/rooms", {"id": name, "title": name, "stream_url": ""})
    person = desk("#/rooms", rooms=names)
    rows = person.page.locator(".table tbody tr")
    expect(rows).to_have_count(50)
    person.page.route("**/rooms?after=*", lambda route: route.abort(), times=1)
    press(person, "显示更多")
    expect(person.page.locator(".more")).to_contain_text("连不上服务器")
    press(person, "显示更多")
    expect(rows).to_have_count(52)
    expect(person.page.locator(".more")).to_be_hidden()


def test_a_merchant_sees_and_changes_only_rooms_that_the_token_holds(
    desk: Desk, shop: Shop, sale: str, room: str
) -> None:
    person = desk("#/sales", rooms=["another-room"])
    expect(person.page.locator(".state-card h2")).to_have_text("还没有抢购")
    go(person, f"#/sales/{sale}")
    expect(person.page.locator(".state-card.failing")).to_be_visible()


def test_a_token_that_ends_while_at_work_leads_back_to_signing_in(desk: Desk, shop: Shop) -> None:
    person = desk("#/rooms")
    expect(person.page.locator(".table")).to_be_visible()
    refused = '{"error": {"code": 401, "message": "the token is over", "field": null}}'
    person.page.route("**/api/v1/products*", lambda route: route.fulfill(status=401, body=refused))
    person.page.locator("[data-view=products]").click()
    expect(person.page.locator("#signin-error")).to_have_text("登录凭证无效或已过期，请重新登录。")
    expect(person.page.locator("#desk")).to_be_hidden()


# what everybody must be able to use

VIEWS = (
    "#/sales",
    "#/orders",
    "#/books/{sale}",
    "#/products",
    "#/rooms",
    "#/draft",
    "#/sales/{sale}",
)


@pytest.mark.parametrize(
    ("language", "screen", "scheme"),
    [
        ("zh-CN", PHONE, "light"),
        ("en-US", {"width": 360, "height": 640}, "dark"),
        ("zh-CN", DESK, "dark"),
        ("en-US", DESK, "light"),
    ],
)
def test_the_desk_can_be_used_and_read_and_looks_as_on_its_pictures(
    visit: Visit, desk: Desk, shop: Shop, sale: str, language: str, screen: Any, scheme: str
) -> None:
    open_sale(shop, sale)
    order = buy(visit, shop, sale, "小雨", qty=2)
    buy(visit, shop, sale, "Emma", sku="desk-mug-blue", pays=False)
    person = desk(language=language, screen=screen, color_scheme=scheme)
    look = f"merchant-{screen['width']}-{scheme}"
    for view in (*VIEWS, f"#/orders/{order}"):
        hash_ = view.format(sale=sale)
        go(person, hash_)
        expect(person.page.locator(".load-body[aria-busy], .skeleton")).to_have_count(0)
        expect(person.page.locator(".load-body > *").first).to_be_visible()
        check_usable(person)
        name = (
            "order"
            if order in hash_
            else "-".join(re.findall(r"\w+", view.replace("{sale}", "one")))
        )
        person.keep_picture(f"{look}-{name}")
    person.page.keyboard.press("Escape")
    go(person, f"#/sales/{sale}")
    person.page.locator("[data-key=act-restock]").click()
    person.page.locator("dialog input[name=units]").fill("20")
    check_usable(person)
    person.keep_picture(f"{look}-restock")
    person.check_clean()


@pytest.mark.parametrize(
    ("language", "foreign"), [("en-US", r"[\u4e00-\u9fff]"), ("zh-CN", r"[a-z]{3,}")]
)
def test_no_word_of_the_other_language_is_left_at_the_desk(
    desk: Desk, shop: Shop, language: str, foreign: str
) -> None:
    token = shop.token("1", role="merchant", rooms=["0"], name="7")
    person = desk(language=language)
    person.page.evaluate("(token) => { location.hash = `token=${token}`; }", token)
    expect(person.page.locator("#my-name")).to_have_text("7")
    for view in ("#/sales", "#/orders", "#/books", "#/rooms", "#/draft"):
        go(person, view)
        expect(person.page.locator(".state-card h2")).to_be_visible()
        words = person.page.evaluate(
            """() => [...document.querySelectorAll('.tabs *, #view *')]
              .filter((element) => element.checkVisibility())
              .flatMap((element) => [element.getAttribute('placeholder'), ...[...element.childNodes]
                .filter((node) => node.nodeType === 3).map((node) => node.data)])
              .filter((words) => words?.trim())"""
        )
        assert len(words) > 8
        assert [one for one in words if re.search(foreign, one)] == []


def test_the_desk_is_used_without_a_mouse_and_tells_where_one_is(desk: Desk, sale: str) -> None:
    person = desk(f"#/sales/{sale}", language="en-US")
    page = person.page
    expect(page.locator(".page-title .state")).to_have_text("Draft")
    page.locator("[data-key=act-arm]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog input").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("[data-key=act-arm]")).to_be_focused()
    page.locator("[data-view=rooms]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#view h1")).to_be_focused()
    expect(page.locator("[data-view=rooms]")).to_have_attribute("aria-current", "page")
    page.locator("#language").press("Enter")
    expect(page.locator("#view h1")).to_have_text("直播间")
