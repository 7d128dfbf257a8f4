"""Running a sale from the host's console, in real browsers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser_sales import (
    BLUE,
    ONE,
    WHITE,
    Sale,
    buyer,
    card,
    open_sheet,
    sheet,
)
from tests.e2e.browser_support import PHONE, Shop, Visit, host_of

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]


def test_the_host_runs_a_sale_and_is_asked_before_each_step(
    visit: Visit, shop: Shop, room: str
) -> None:
    sale = Sale(shop, room, WHITE, BLUE)
    person = buyer(visit, shop, room, "小雨")
    expect(card(person)).to_be_hidden()
    host = host_of(visit, shop, room)

    def act(name: str) -> Locator:
        host.page.locator(f".host-sale [data-act={name}]").click()
        dialog = host.page.locator("dialog[open] .ask")
        expect(dialog).to_be_visible()
        return dialog

    dialog = act("arm")
    dialog.locator("input").first.fill("9")
    dialog.locator("[type=submit]").click()
    expect(dialog.locator(".field-error")).to_have_text("请填写 0 到 5 的整数")
    dialog.locator("input").first.fill("2")
    dialog.locator("[type=submit]").click()
    expect(card(person)).to_have_attribute("data-phase", "armed")
    expect(card(person).locator(".sale-stock")).to_have_text("共 5 件")
    expect(host.page.locator(".host-sale")).to_have_count(1)

    act("start").locator("[type=submit]").click()
    expect(card(person)).to_have_attribute("data-phase", "open")
    dialog = act("pause")
    dialog.locator("input").fill("主播喝口水")
    dialog.locator("[type=submit]").click()
    expect(card(person)).to_have_attribute("data-phase", "paused")
    expect(open_sheet(person).locator(".notes")).to_contain_text("主播喝口水")
    expect(sheet(person).locator(".sale-buy")).to_have_text("抢购暂停中")
    act("resume").locator("[type=submit]").click()
    expect(sheet(person).locator(".sale-buy")).to_have_text("立即抢购 · ¥59")

    dialog = act("restock")
    dialog.locator("[inputmode=numeric]").fill("3")
    expect(dialog.locator("[type=submit]")).to_have_text("补货 3 件")
    dialog.locator("[type=submit]").click()
    expect(host.page.locator(".count-on").first).to_have_text("5")
    expect(card(person).locator(".sale-stock")).to_have_text("剩 8 件")

    dialog = act("close")
    dialog.get_by_role("button", name="取消").click()
    expect(dialog).to_have_count(0)
    expect(card(person)).to_have_attribute("data-phase", "open")
    act("close").locator("[type=submit]").click()
    expect(sheet(person).locator(".sale-buy")).to_have_text("抢购已结束")
    expect(host.page.locator(".host-sale [data-act]:visible")).to_have_count(0)
    sale.wait_books("mug-white", initial=5, available=5)
    for one in (person, host):
        one.check_clean()


def test_a_host_restocks_within_the_allocation_and_a_moderator_only_watches(
    visit: Visit, shop: Shop, room: str
) -> None:
    sale = Sale(shop, room, ONE)
    sale.steer("arm", on_sale={"mug-white": 0})
    sale.steer("open")
    host = host_of(visit, shop, room, screen=PHONE)
    helper = host_of(visit, shop, room, role="moderator")
    expect(helper.page.locator(".host-sale .count-on")).to_have_text("0")
    expect(helper.page.locator(".host-sale [data-act]:visible")).to_have_count(0)
    host.page.locator(".tabs [data-tab=sale]").click()
    for units, error in (("2", True), ("1", False)):
        host.page.locator("[data-act=restock]").click()
        dialog = host.page.locator("dialog[open] .ask")
        dialog.locator("[inputmode=numeric]").fill(units)
        dialog.locator("[type=submit]").click()
        if error:
            expect(dialog.locator(".field-error")).to_be_visible()
            host.page.keyboard.press("Escape")
    expect(helper.page.locator(".host-sale .count-on")).to_have_text("1")
