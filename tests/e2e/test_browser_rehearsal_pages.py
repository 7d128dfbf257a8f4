"""Pages of a shadow shop in a real browser: they live below a path, apart from the shop's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.browser_support import Shop, Visit
from tests.support.rehearsal_town import PLAN

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]

ROOM = "garden"
BASE = "/rehearsal"


@pytest.fixture
def run(shop: Shop) -> Iterator[str]:
    """A rehearsal with a live room `garden`, which the shop has, too, under another title."""
    asked = {"title": "An evening", "plan": PLAN, "drive": False}
    opened = shop.call("POST", "/api/v1/rehearsals", asked)
    for base, key, title in (("", "", "The real garden"), (BASE, opened["key"], "A stage garden")):
        keyed = {"key": key} if key else {}
        room = {"id": ROOM, "title": title}
        shop.call("POST", f"{base}/api/v1/rooms", room, **keyed)
        shop.call("PATCH", f"{base}/api/v1/rooms/{ROOM}", {"state": "live"}, **keyed)
    yield opened["id"]
    shop.call("DELETE", f"/api/v1/rehearsals/{opened['id']}/data")


def test_a_guest_of_a_rehearsal_is_nobody_in_the_shop(visit: Visit, shop: Shop, run: str) -> None:
    guest = visit(f"{BASE}/r/{ROOM}")
    guest.wait_connected()
    expect(guest.page.locator("html")).to_have_attribute("data-rehearsal", run)
    expect(guest.page.locator("#title")).to_have_text("A stage garden")
    expect(guest.page.get_by_role("note").first).to_contain_text("Rehearsal, nothing here is real")
    guest.keep_picture("viewer-390-rehearsal")
    guest.take_name("小雨", "彩排开始了吗？")

    viewer = visit(f"/r/{ROOM}")
    viewer.wait_connected()
    expect(viewer.page.locator("#title")).to_have_text("The real garden")
    expect(viewer.page.locator(".rehearsal-note")).to_have_count(0)
    viewer.expect_comments()

    guest.page.reload()  # in the rehearsal they are somebody still
    guest.wait_connected()
    guest.say("我还在")
    expect(guest.comment("我还在").locator(".name")).to_have_text("小雨（我）")

    guest.page.goto(f"{shop.base_url}/r/{ROOM}")  # the same browser, in the shop
    guest.wait_connected()
    guest.say("真的开播了吗？")
    expect(guest.page.locator("#name-text")).to_be_visible()
    viewer.expect_comments()
    for person in (guest, viewer):
        person.check_clean()


def test_the_desk_of_a_rehearsal_shows_its_own_rooms_and_leads_to_them(
    visit: Visit, shop: Shop, run: str
) -> None:
    path = f"/api/v1/rehearsals/{run}/tokens"
    asked = {"first": 1, "count": 1, "role": "merchant"}
    ((_user, token),) = shop.call("POST", path, asked)["tokens"]
    merchant = visit(f"{BASE}/merchant#token={token}", screen={"width": 1280, "height": 800})
    merchant.page.goto(f"{shop.base_url}{BASE}/merchant#/rooms")
    expect(merchant.page.get_by_text("A stage garden")).to_be_visible()
    expect(merchant.page.get_by_text("The real garden")).to_have_count(0)
    link = merchant.page.locator(f"a[href='{BASE}/r/{ROOM}']")
    expect(link.first).to_be_visible()
    merchant.check_clean()
