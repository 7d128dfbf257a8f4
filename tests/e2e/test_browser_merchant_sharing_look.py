"""The desk's views of sharing and visitors for everybody who must be able to use them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_merchant import MUG, Desk, buy, go, open_sale
from tests.e2e.browser_merchant_sharing import come, fill, publish_ladder, share, until
from tests.e2e.browser_support import DESK, PHONE, Person, Shop, Visit

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures", "tests.e2e.browser_merchant_fixtures"]

TIERS = [
    {
        "needs": 1,
        "kind": "coupon",
        "title": "十元券 10 off",
        "stock": 50,
        "cost_minor": 1_000,
        "coupon_batch": "look-ten",
    },
    {"needs": 2, "kind": "red_packet", "title": "红包", "stock": 20, "pool_minor": 40_000},
    {"needs": 5, "kind": "points", "title": "积分 Points", "stock": 20, "points": 500},
    {"needs": 9, "kind": "voucher", "title": "青瓷杯 Mug", "stock": 5, "cost_minor": 5_900},
]
BATCH = {
    "id": "look-ten",
    "title": "十元券 10 off",
    "kind": "amount",
    "currency": "CNY",
    "amount_minor": 1_000,
    "issue_max": 5_000,
}
VIEWS = (
    "#/ladders?room={room}",
    "#/ladders/{ladder}",
    "#/ladders/{ladder}?show=arrivals",
    "#/ladders/{ladder}?show=ranking",
    "#/ladders/{ladder}?show=grants",
    "#/plan?room={room}",
    "#/coupons",
    "#/coupons/look-ten",
    "#/links?room={room}",
    "#/vouchers",
    "#/commissions?room={room}",
    "#/sources?room={room}",
    "#/visits?room={room}",
    "#/visits/{visit}",
    "#/people",
    "#/people/{inviter}",
    "#/people/{inviter}?show=visits",
    "#/people/{inviter}?show=commissions",
)


@pytest.fixture(scope="module")
def names(browser: Browser, shop: Shop) -> dict[str, str]:
    """A busy room, made once: what stands in the addresses of the views."""
    people: list[Person] = []

    def visit(path: str) -> Person:
        people.append(Person(browser, shop.base_url + path))
        return people[-1]

    try:
        return bring_people(visit, shop, "look-room")
    finally:
        for person in people:
            person.leave()


def bring_people(visit: Visit, shop: Shop, room: str) -> dict[str, str]:
    """People are invited, come, stay or not, and buy."""
    shop.open_room(room)
    sale = "look-sale"
    shop.call("POST", "/api/v1/products", MUG)
    items = [{"sku": "desk-mug-white", "stock": 10, "price_minor": 5_900, "per_user_max": 3}]
    shop.call("POST", "/api/v1/sales", {"id": sale, "room": room, "items": items})
    open_sale(shop, sale)
    shop.call("POST", "/api/v1/coupon-batches", BATCH)
    plan = {"level1_bp": 1_000, "level2_bp": 0, "window_days": 7}
    shop.call("PUT", f"/api/v1/rooms/{room}/commission", plan)
    campaign = {"room": room, "channel": "poster", "campaign": "spring-2027", "staff": "zhang.wei"}
    shop.call("POST", "/api/v1/links", campaign)
    ladder = publish_ladder(shop, room, TIERS)
    inviter = "lin.mei"
    code = share(visit, shop, room, inviter, channel="sms")
    friends = ["emma.look", "xiaoyu.look"]
    visits = [
        come(visit, shop, room, friend, stay_ms=1_300, likes=4, share=code) for friend in friends
    ]
    come(visit, shop, room, "hasty.look", share=code)
    come(visit, shop, room, inviter, likes=1, channel="poster", campaign="spring-2027")
    come(visit, shop, room)
    path = f"/api/v1/ladders/{ladder}/arrivals"
    until(shop, path, lambda found: found["counts"].get("valid") == 2, "both friends count")
    buy(visit, shop, sale, friends[0], qty=2)
    buy(visit, shop, sale, friends[1], pays=False)
    path = f"/api/v1/commissions?room={room}"
    until(shop, path, lambda found: len(found["commissions"]) == 1, "a commission is earned")
    return {"room": room, "ladder": ladder, "visit": visits[0], "inviter": inviter}


def settle(person: Person) -> None:
    """Return once the view is loaded and filled."""
    expect(person.page.locator(".load-body[aria-busy], .skeleton")).to_have_count(0)
    expect(person.page.locator("#view h1")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "screen", "scheme"),
    [
        ("zh-CN", PHONE, "light"),
        ("en-US", PHONE, "dark"),
        ("zh-CN", DESK, "dark"),
        ("en-US", DESK, "light"),
    ],
)
def test_sharing_and_visitors_can_be_used_and_read_and_look_as_on_their_pictures(
    desk: Desk, names: dict[str, str], language: str, screen: Any, scheme: str
) -> None:
    person = desk(language=language, screen=screen, color_scheme=scheme)
    look = f"merchant-{screen['width']}-{scheme}"
    for view in VIEWS:
        go(person, view.format(**names))
        settle(person)
        check_usable(person)
        name = "-".join(re.findall(r"\w+", view.replace("room={room}", "")))
        person.keep_picture(f"{look}-{name}")
        if "look-ten" in view:
            person.page.keyboard.press("Escape")
            expect(person.page.locator("dialog")).to_have_count(0)
    dialogs = {
        "coupon-new": ("#/coupons", "[data-key=new]"),
        "link-new": ("#/links?room={room}", "[data-key=new]"),
        "link": ("#/links?room={room}", ".row-acts .button"),
        "commission-plan": ("#/commissions?room={room}", "[data-key=plan]"),
        "end": ("#/ladders/{ladder}", "[data-key=act-end]"),
    }
    for name, (view, opener) in dialogs.items():
        go(person, view.format(**names))
        settle(person)
        person.page.locator(opener).first.click()
        expect(person.page.locator("dialog[open]")).to_be_visible()
        check_usable(person)
        person.keep_picture(f"{look}-{name}")
        person.page.keyboard.press("Escape")
        expect(person.page.locator("dialog")).to_have_count(0)
    person.check_clean()


@pytest.mark.parametrize(
    ("language", "foreign"), [("en-US", r"[\u4e00-\u9fff]"), ("zh-CN", r"[a-z]{3,}")]
)
def test_no_word_of_the_other_language_is_left_in_sharing_and_visitors(
    desk: Desk, shop: Shop, language: str, foreign: str
) -> None:
    token = shop.token("1", role="merchant", rooms=["0"], name="7")
    person = desk(language=language)
    person.page.evaluate("(token) => { location.hash = `token=${token}`; }", token)
    expect(person.page.locator("#my-name")).to_have_text("7")
    for view in (
        "ladders",
        "plan",
        "links",
        "commissions",
        "sources",
        "visits",
        "people",
        "vouchers",
    ):
        go(person, f"#/{view}")
        settle(person)
        words = person.page.evaluate(
            """() => [...document.querySelectorAll('.tabs *, .groups *, #view *')]
              .filter((element) => element.checkVisibility())
              .flatMap((element) => [...element.childNodes]
                .filter((node) => node.nodeType === 3).map((node) => node.data))
              .filter((words) => words?.trim())"""
        )
        assert len(words) > 8
        assert [one for one in words if re.search(foreign, one)] == []


def test_a_merchant_of_one_room_is_told_what_only_the_whole_shop_may_see(
    desk: Desk, shop: Shop, room: str
) -> None:
    person = desk("#/coupons", rooms=[room])
    failing = person.page.locator(".state-card.failing")
    expect(failing).to_contain_text("没有权限")
    go(person, f"#/plan?room={room}")
    expect(person.page.locator("#view h1")).to_have_text("新建阶梯")
    go(person, "#/people/somebody")
    expect(failing).to_contain_text("没有权限")


def test_on_a_phone_the_groups_lead_to_their_tabs_and_back_to_where_one_was(desk: Desk) -> None:
    person = desk("#/sales", screen=PHONE)
    page = person.page
    sharing = page.locator("[data-group-of=sharing]")
    sharing.click()
    expect(page.locator("#view h1")).to_have_text("奖励阶梯")
    expect(sharing).to_have_attribute("aria-current", "true")
    expect(page.locator(".tabs a").filter(visible=True)).to_have_count(5)
    page.locator("[data-view=commissions]").click()
    expect(page.locator("#view h1")).to_have_text("佣金")
    page.locator("[data-group-of=shop]").click()
    expect(page.locator("#view h1")).to_have_text("商品")
    expect(page.locator(".tabs a").filter(visible=True)).to_have_count(2)
    sharing.click()
    expect(page.locator("#view h1")).to_have_text("佣金")
    page.go_back()
    expect(page.locator("#view h1")).to_have_text("商品")


def test_a_ladder_is_planned_without_a_mouse(desk: Desk, room: str) -> None:
    person = desk(f"#/plan?room={room}", language="en-US")
    page = person.page
    expect(page.locator("#view h1")).to_have_text("New ladder")
    for _ in range(2):
        page.locator(".tier-out").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".form-row[data-field=tiers] > .button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".tiers-edit li")).to_have_count(2)
    expect(page.locator('[data-field="tiers.1.title"] input')).to_be_focused()
    page.locator(".rules summary").focus()
    page.keyboard.press("Enter")
    fill(person, "thresholds.stay_ms", "0")
    fill(person, "title", "Friends")
    fill(person, "budget_minor", "10")
    for number in range(2):
        fill(person, f"tiers.{number}.title", "Points")
        page.locator(f'[data-field="tiers.{number}.kind"] select').select_option("points")
        fill(person, f"tiers.{number}.needs", str(number + 1))
        fill(person, f"tiers.{number}.stock", "1")
        fill(person, f"tiers.{number}.points", "5")
        fill(person, f"tiers.{number}.cost_minor", "1")
    page.locator(".rules summary").click()
    page.locator('[data-field="title"] input').focus()
    page.keyboard.press("Enter")
    problem = page.locator('[data-field="thresholds.stay_ms"] .field-problem')
    expect(problem).to_be_visible()  # the part that was folded opens
    expect(page.locator('[data-field="thresholds.stay_ms"] input')).to_be_focused()
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    expect(page.locator("#view h1")).to_have_text("Friends")
    expect(page.locator("#view h1")).to_be_focused()
