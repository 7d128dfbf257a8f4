"""A merchant rehearses at the desk: plans, begins, watches, reads the report, keeps the history."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_merchant import MUG, Desk, answer, go, press, question
from tests.e2e.browser_support import DESK, PHONE, Person, Shop, Visit

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures", "tests.e2e.browser_merchant_fixtures"]

ALL = "/api/v1/rehearsals"
PLAN: dict[str, Any] = {
    "title": "周五大促 Friday",
    "items": [{"sku": "mug", "title": "青瓷杯 Mug", "stock": 20, "price_minor": 5_900}],
    "promise": {"viewers": 300},
}
PROGRESS = {
    "phase": "spike",
    "at_ms": 1,
    "viewers": 280,
    "wanted": 300,
    "to_t0_s": -4.2,
    "orders_per_s": 31.4,
    "sold": 12,
    "stock": 20,
    "lag_ms": 35,
    "books": {"items": [{"sku": "mug", "initial": 20, "available": 8, "reserved": 5, "sold": 7}]},
}
REPORT_WITHIN_MS = 240_000
SHORT = {"warm_s": 3, "spike_s": 8, "settle_s": 10, "hold_s": 5}


def test_a_merchant_rehearses_a_sale_with_one_press_and_reads_the_report(
    desk: Desk, shop: Shop, room: str, sale: str
) -> None:
    person = desk(f"#/sales/{sale}")
    page = person.page
    page.get_by_role("link", name="彩排这场抢购").click()
    expect(page.locator(".plan-goods tbody tr")).to_have_count(2)
    page.locator("[name='plan.promise.viewers']").fill("0")
    press(person, "开始彩排")
    expect(page.locator(".field-problem:visible")).to_have_text("请填写 1 到 200000 之间的整数")
    page.locator("[name='plan.title']").fill(f"彩排 {room}")
    page.locator("[name='plan.promise.viewers']").fill("40")
    page.locator("[name='plan.promise.arrive_s']").fill("3")
    page.route(re.compile(r"/api/v1/rehearsals$"), shortened)
    press(person, "开始彩排")
    expect(page.locator("#view h1")).to_have_text(f"彩排 {room}")
    expect(page.locator(".live-run .facts")).to_contain_text("分毫不差", timeout=REPORT_WITHIN_MS)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="去看看").click()
    look_at_the_shadow_room(opened.value)

    expect(page.locator(".run-verdict")).to_be_visible(timeout=REPORT_WITHIN_MS)
    with page.expect_popup() as opened:
        press(person, "查看报告")
    report = opened.value
    expect(report.locator("h1").first).to_contain_text(f"彩排 {room}")
    report.close()
    acts = page.locator(".act-list li")
    expect(acts.filter(has_text="提交报告")).to_have_count(1)
    expect(acts.filter(has_text="清除数据")).to_have_count(1)
    assert shop.call("GET", f"/api/v1/sales/{sale}")["state"] == "draft"
    assert shop.call("GET", f"/api/v1/orders?sale={sale}")["orders"] == []
    go(person, "#/rehearsals")
    expect(page.locator(".table tbody tr").first).to_contain_text(f"彩排 {room}")
    person.check_clean()


def shortened(route: Route) -> None:
    """The plan that the page sends, over sooner: a test has less time than a merchant."""
    body = route.request.post_data_json
    if route.request.method == "POST" and body is not None:
        plan = {**body["plan"], "phases": SHORT}
        route.continue_(post_data=json.dumps({**body, "plan": plan}))
    else:
        route.continue_()


def look_at_the_shadow_room(page: Any) -> None:
    expect(page.locator("html")).to_have_attribute("data-connection", "connected")
    expect(page.locator(".rehearsal-note")).to_be_visible()
    page.close()


@pytest.fixture
def run(shop: Shop) -> Iterator[dict[str, Any]]:
    """A rehearsal that is open; the test plays its generator."""
    opened = shop.call("POST", ALL, {"plan": PLAN})
    yield opened
    shop.call("DELETE", f"{ALL}/{opened['id']}/data")


def report(shop: Shop, run: dict[str, Any], verdict: str) -> None:
    texts = {"zh-CN": "可以开播：300 位观众。", "en": "GO: 300 viewers."}
    found = {"verdict": verdict, "sentence": {"key": "go"}, "sentences": texts}
    shop.call("PUT", f"{ALL}/{run['id']}/report", found, key=run["key"])


def test_a_second_rehearsal_is_refused_and_the_first_is_stopped_and_purged_at_the_desk(
    desk: Desk, shop: Shop, room: str, sale: str, run: dict[str, Any]
) -> None:
    person = desk(f"#/rehearse?sale={sale}")
    page = person.page
    expect(page.locator(".plan-goods tbody tr")).to_have_count(2)
    press(person, "开始彩排")
    expect(page.locator(".form-problem, .banner.bad, [role=alert]:visible").first).to_contain_text(
        run["id"]
    )
    person.problems.clear()  # Chromium tells of every 409
    go(person, f"#/rehearsals/{run['id']}")
    expect(page.locator(".banner")).to_have_text("影子店铺已开，等待压测机连上。")
    shop.call("PUT", f"{ALL}/{run['id']}/progress", PROGRESS, key=run["key"])
    expect(page.locator(".run-phase")).to_contain_text("开抢后 4 秒")
    expect(page.locator(".live-run")).to_contain_text("已抢12")
    press(person, "停止彩排")
    expect(question(person)).to_have_text("停止彩排“周五大促 Friday”？")
    answer(person, "停止彩排")
    expect(page.locator(".banner")).to_have_text("已被停止，没有结论。")
    press(person, "清除彩排数据")
    answer(person, "清除彩排数据")
    expect(page.locator("[data-key=purge]")).to_have_count(0)
    person.check_clean()


@pytest.mark.parametrize(
    ("language", "screen", "scheme"), [("zh-CN", PHONE, "light"), ("en-US", DESK, "dark")]
)
def test_rehearsals_can_be_used_and_read_and_look_as_on_their_pictures(
    desk: Desk, shop: Shop, run: dict[str, Any], language: str, screen: Any, scheme: str
) -> None:
    shop.call("POST", "/api/v1/products", MUG)
    person = desk("#/rehearse", language=language, screen=screen, color_scheme=scheme)
    look = f"merchant-{screen['width']}-{scheme}"
    expect(person.page.locator(".plan-goods .table")).to_be_visible()
    person.page.locator("details.rules summary").click()
    picture(person, f"{look}-rehearse")
    shop.call("PUT", f"{ALL}/{run['id']}/progress", PROGRESS, key=run["key"])
    go(person, f"#/rehearsals/{run['id']}")
    expect(person.page.locator(".live-run")).to_be_visible()
    picture(person, f"{look}-rehearsal-runs")
    report(shop, run, "go")
    expect(person.page.locator(".run-verdict")).to_be_visible()
    picture(person, f"{look}-rehearsal")
    go(person, "#/rehearsals")
    expect(person.page.locator(".table tbody tr").first).to_contain_text("Friday")
    picture(person, f"{look}-rehearsals")
    person.check_clean()


def picture(person: Person, name: str) -> None:
    check_usable(person)
    person.keep_picture(name)


def test_a_desk_without_rehearsals_says_what_they_are_for(desk: Desk, visit: Visit) -> None:
    person = desk("#/rooms")
    page = person.page
    expect(page.locator(".table")).to_be_visible()
    empty = json.dumps({"rehearsals": [], "next": None})
    page.route(re.compile(r"/api/v1/rehearsals(\?|$)"), lambda route: route.fulfill(body=empty))
    go(person, "#/rehearsals")
    expect(page.locator(".state-card h2")).to_have_text("还没有彩排过")
    page.locator(".state-card").get_by_role("link", name="新的彩排").click()
    expect(page.locator("#view h1")).to_have_text("新的彩排")
    person.check_clean()
