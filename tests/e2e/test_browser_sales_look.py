"""A sale can be used and read in every state, on every screen; pictures of it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_sales import (
    BLUE,
    WHITE,
    Sale,
    buy,
    buyer,
    card,
    open_sheet,
    order_of,
    sheet,
)
from tests.e2e.browser_support import DESK, PHONE, Shop, Visit, host_of

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]

SMALL: Any = {"width": 360, "height": 640}


@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
@pytest.mark.parametrize("screen", [PHONE, DESK, SMALL])
def test_a_sale_can_be_used_and_read_in_every_state(
    visit: Visit, shop: Shop, language: str, screen: Any, room: str
) -> None:
    sale = Sale(shop, room, {**WHITE, "stock": 2}, {**BLUE, "stock": 1})
    person = buyer(visit, shop, room, "小雨", language=language, screen=screen)
    rival = buyer(visit, shop, room, "小满")
    sale.steer("arm")
    expect(card(person)).to_have_attribute("data-phase", "armed")
    check_usable(person)
    sale.steer("open")
    expect(card(person)).to_have_attribute("data-phase", "open")
    check_usable(person)
    buy(rival)
    expect(order_of(rival)).to_have_attribute("data-state", "reserved")
    form = buy(person)
    expect(order_of(person)).to_have_attribute("data-state", "reserved")
    check_usable(person)
    form.get_by_role("radio").first.check()
    expect(form.locator(".sale-buy")).to_have_attribute("data-offer", "wait")
    form.locator(".sale-buy").click()
    expect(form.locator(".order[data-state=queued]")).to_have_count(1)
    check_usable(person)
    person.page.keyboard.press("Escape")
    expect(person.page.locator(".sale-due")).to_be_visible()
    check_usable(person)
    sale.steer("pause", reason="稍等 one moment")
    expect(card(person)).to_have_attribute("data-phase", "paused")
    open_sheet(person)
    check_usable(person)
    person.check_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [PHONE, DESK])
def test_the_sales_panel_can_be_used_and_read(
    visit: Visit, shop: Shop, scheme: str, screen: Any, room: str
) -> None:
    Sale(shop, room, WHITE, BLUE).open()
    options = {"language": "en-US", "screen": screen, "color_scheme": scheme}
    host = host_of(visit, shop, room, role="merchant", **options)
    if screen is PHONE:
        host.page.locator(".tabs [data-tab=sale]").click()
    expect(host.page.locator(".host-sale")).to_be_visible()
    check_usable(host)
    for act in ("restock", "pause", "close"):
        host.page.locator(f"[data-act={act}]").click()
        expect(host.page.locator("dialog[open] .ask")).to_be_visible()
        check_usable(host)
        host.page.keyboard.press("Escape")
    host.check_clean()


def test_pictures_of_a_sale(visit: Visit, shop: Shop, room: str) -> None:
    """Screenshots for people to look at, kept with the run's artifacts."""
    sale = Sale(shop, room, {**WHITE, "stock": 30}, {**BLUE, "stock": 1})
    sale.steer("arm")
    host, pocket = host_of(visit, shop, room), host_of(visit, shop, room, screen=PHONE)
    phone = buyer(visit, shop, room, "小雨")
    desk = buyer(visit, shop, room, "Emma", language="en-US", screen=DESK)
    host.page.locator("[data-act=start]").click()
    host.keep_picture("sale-host-confirms")
    host.page.locator("dialog[open] [type=submit]").click()
    expect(card(phone)).to_have_attribute("data-phase", "open")
    open_sheet(phone)
    phone.keep_picture("sale-phone-choose")
    sheet(phone).locator(".sale-buy").click()
    expect(order_of(phone)).to_have_attribute("data-state", "reserved")
    phone.keep_picture("sale-phone-hold")
    form = open_sheet(desk)
    form.get_by_role("radio").last.check()
    form.locator(".sale-buy").click()
    expect(order_of(desk)).to_have_attribute("data-state", "reserved")
    expect(phone.page.locator("#ticker")).to_be_visible()
    desk.keep_picture("sale-desk-hold")
    order_of(desk).locator(".order-pay").click()
    expect(order_of(desk)).to_have_attribute("data-state", "paid")
    form.get_by_role("radio").last.check()
    for person in (desk, phone):
        person.page.locator("dialog[open] [data-close]").click()
    phone.keep_picture("sale-phone-card")
    desk.keep_picture("sale-desk-card")
    host.keep_picture("sale-host-desk")
    pocket.page.locator(".tabs [data-tab=sale]").click()
    pocket.keep_picture("sale-host-phone")
    phone.page.keyboard.press("o")
    phone.keep_picture("sale-phone-orders")
    for person in (phone, desk, host, pocket):
        person.check_clean()
