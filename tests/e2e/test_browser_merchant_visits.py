"""The merchant desk's views of visitors: visits step by step, people, and where all come from."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.browser_merchant import Desk, buy, go, open_sale, press
from tests.e2e.browser_merchant_sharing import choose, come, fill, until
from tests.e2e.browser_support import Line, Shop, Visit
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures", "tests.e2e.browser_merchant_fixtures"]


def written(shop: Shop, room: str, visits: int) -> list[dict[str, Any]]:
    """The visits of the room once so many are written, and are over."""
    path = f"/api/v1/visits?room={room}"
    found: dict[str, Any] = until(
        shop,
        path,
        lambda page: [one["left"] for one in page["visits"]] == [True] * visits,
        f"{visits} visits are written",
    )
    return list(found["visits"])


def test_a_visit_is_found_by_its_source_and_told_step_by_step(
    visit: Visit, desk: Desk, shop: Shop, room: str
) -> None:
    who = f"reader-{room}"[:60]
    came = come(visit, shop, room, who, stay_ms=300, likes=3, channel="sms", campaign="spring")
    come(visit, shop, room)
    written(shop, room, 2)
    person = desk(f"#/visits?room={room}")
    page = person.page
    rows = page.locator(".table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="未登录")).to_contain_text("直接访问")
    expect(page.locator(".counts .facts b").first).to_have_text("2")
    fill(person, "channel", "sms")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("短信")
    expect(rows).to_contain_text("spring")
    page.get_by_role("link", name="查看这次访问").click()
    expect(page.locator("#view h1")).to_have_text(who)
    assert page.evaluate("location.hash") == f"#/visits/{came}"
    steps = page.locator(".steps li b")
    told = ["进入直播间", "页面在眼前", "打开商品", "还在看", "离开页面"]
    expect(steps.first).to_have_text("进入直播间")
    assert [words for words in steps.all_text_contents() if words in told] == told
    expect(page.locator(".steps li").filter(has_text="打开商品")).to_contain_text("mug")
    expect(page.locator(".steps li[data-step=like]")).to_contain_text("3")
    expect(page.locator(".page-title .state")).to_have_text("已离开")

    page.locator("#view .facts").get_by_role("link", name=who).click()
    expect(page.locator("#view h1")).to_have_text(who)
    expect(page.locator(".state-card h2")).to_have_text("账户还是空的")
    page.get_by_role("link", name="访问", exact=True).nth(1).click()
    expect(rows).to_have_count(1)
    with page.expect_download() as saving:
        press(person, "对账单 CSV")
    assert saving.value.suggested_filename.endswith(".csv")
    go(person, "#/people")
    fill(person, "user", who)
    page.keyboard.press("Enter")
    expect(page.locator("#view h1")).to_have_text(who)
    person.check_clean()


def test_visits_are_cut_by_time_and_person_and_what_is_cut_away_can_come_back(
    visit: Visit, desk: Desk, shop: Shop, room: str
) -> None:
    who = f"timed-{room}"[:60]
    come(visit, shop, room, who)
    written(shop, room, 1)
    person = desk(f"#/visits?room={room}&person={who}")
    page = person.page
    expect(page.locator(".table tbody tr")).to_have_count(1)
    page.get_by_text("更多筛选").click()
    fill(person, "to_ms", "2020-01-01T08:00")
    page.keyboard.press("Enter")
    expect(page.locator(".state-card h2")).to_have_text("没有符合条件的记录")
    page.get_by_role("link", name="清除筛选").click()
    expect(page.locator(".table tbody tr").first).to_be_visible()


def test_sources_add_up_to_the_total_and_lead_to_their_visits(
    visit: Visit, desk: Desk, shop: Shop, sale: str, room: str
) -> None:
    open_sale(shop, sale)
    shop.call("POST", "/api/v1/links", {"room": room, "channel": "sms", "campaign": "spring"})
    come(visit, shop, room, channel="poster", campaign="spring")
    come(visit, shop, room, channel="poster")
    come(visit, shop, room)
    order = buy(visit, shop, sale, "alice", qty=2)
    buy(visit, shop, sale, "bob")
    shop.call(
        "POST",
        f"/api/v1/orders/{order}/refund",
        {"restock": True, "reason": "back", "request_id": f"r-{order}"},
    )
    written(shop, room, 3)
    until(
        shop,
        f"/api/v1/orders?room={room}&state=refunded",
        lambda page: len(page["orders"]) == 1,
        "the refund is in the ledger",
    )
    person = desk(f"#/sources?room={room}")
    page = person.page
    total = page.locator(".total-row")
    expect(total).to_contain_text("¥177.00")
    expect(total).to_contain_text("¥118.00")
    expect(total).to_contain_text("¥59.00")
    expect(page.locator(".sum-note")).to_have_attribute("data-agrees", "yes")
    poster = page.locator(".table tbody tr").filter(has_text="海报")
    expect(poster.locator("td").first).to_have_text("2")
    choose(person, "by", "campaign")
    expect(page.locator(".table tbody tr").filter(has_text="spring")).to_be_visible()
    expect(page.locator(".table tbody tr").filter(has_text="未标明")).to_be_visible()
    expect(page.locator(".sum-note")).to_have_attribute("data-agrees", "yes")
    page.get_by_role("link", name="spring").click()
    expect(page.locator("#view h1")).to_have_text("访问")
    expect(page.locator(".table tbody tr")).to_have_count(1)
    person.check_clean()


def test_a_report_that_does_not_add_up_says_so(desk: Desk, shop: Shop, room: str) -> None:
    """The server's own answer, changed on its way: real sources add up."""
    person = desk("#/rooms")

    def alter(route: Route) -> None:
        report = route.fetch().json()
        report["total"]["orders"] += 1
        route.fulfill(json=report)

    person.page.route("**/api/v1/sources*", alter)
    go(person, "#/sources")
    note = person.page.locator(".sum-note")
    expect(note).to_have_attribute("data-agrees", "no")
    expect(note).to_contain_text("请联系运维")


def test_views_that_come_later_say_that_they_load_fail_and_work_again(
    desk: Desk, shop: Shop, line: Line, room: str
) -> None:
    person = desk("#/rooms", by=line.url)
    page = person.page
    expect(page.locator(".table")).to_be_visible()
    held: list[Route] = []
    page.route("**/merchant-sharing.js", lambda route: held.append(route), times=1)
    go(person, "#/ladders")
    expect(page.locator(".skeleton")).to_be_visible()
    wait_until_sync(lambda: page.evaluate("1") and held, 15, "the module is asked for")
    held[0].continue_()
    expect(page.locator("#view h1")).to_have_text("奖励阶梯")
    line.cut()
    page.locator("[data-view=links]").click()
    expect(page.locator(".state-card.failing")).to_contain_text("连不上服务器")
    line.mend()
    press(person, "重试")
    expect(page.locator(".state-card.failing")).to_have_count(0)
    expect(page.locator("#view h1")).to_have_text("推广链接")


def test_a_desk_whose_later_views_cannot_be_fetched_says_so_and_tries_again(
    desk: Desk, shop: Shop
) -> None:
    person = desk("#/rooms")
    page = person.page
    expect(page.locator(".load-body > *").first).to_be_visible()
    page.route("**/merchant-sharing.js", lambda route: route.abort(), times=1)
    go(person, "#/vouchers")
    expect(page.locator(".state-card.failing")).to_contain_text("连不上服务器")
    press(person, "重试")
    expect(page.locator("#view h1")).to_have_text("核销")


def test_an_order_above_the_orders_is_closed_by_going_back(
    visit: Visit, desk: Desk, shop: Shop, sale: str, room: str
) -> None:
    open_sale(shop, sale)
    order = buy(visit, shop, sale, "alice")
    until(
        shop,
        f"/api/v1/orders?sale={sale}",
        lambda page: [one["state"] for one in page["orders"]] == ["paid"],
        "the order is in the ledger",
    )
    person = desk(f"#/sources?sale={sale}")
    page = person.page
    expect(page.locator(".total-row")).to_contain_text("¥59.00")
    expect(page.locator(".total-row td").first).to_have_text("–")  # visits are of rooms
    go(person, f"#/orders/{order}")
    expect(page.locator("dialog .order-head")).to_contain_text("¥59.00")
    page.go_back()
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("#view h1")).to_have_text("来源")
    assert page.evaluate("location.hash") == f"#/sources?sale={sale}"
