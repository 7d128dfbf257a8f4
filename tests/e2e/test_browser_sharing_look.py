"""Sharing in every state: can it be used and read, without a mouse, and when something fails."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_sales import BLUE, WHITE, Sale, open_sheet, order_of, toast
from tests.e2e.browser_sharing import (
    JUDGED_WITHIN_MS,
    bring_friends,
    come_by,
    grant_coupon,
    link_in,
    member,
    publish_ladder,
    ready_sheet,
    share_sheet,
    user_of,
)
from tests.e2e.browser_support import DESK, PHONE, Line, Person, Shop, Visit

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]

SMALL: Any = {"width": 360, "height": 640}
LANGUAGES = ["zh-CN", "en-US"]
VIEWS = ("progress", "rewards", "ranking", "earnings")


def all_kinds(shop: Shop, room: str) -> list[dict[str, Any]]:
    """A tier of each kind of reward, one arrival apart."""
    batch = f"gift-{room}"[:64]
    grant_coupon(shop, batch, "somebody-else")
    return [
        {"needs": 1, "kind": "points", "title": "一百积分 100 points", "stock": 9, "points": 100},
        {
            "needs": 2,
            "kind": "coupon",
            "title": "五元券 ¥5 coupon",
            "stock": 9,
            "cost_minor": 500,
            "coupon_batch": batch,
        },
        {
            "needs": 3,
            "kind": "red_packet",
            "title": "开工红包 Red packet",
            "stock": 5,
            "pool_minor": 8_888,
        },
        {
            "needs": 4,
            "kind": "voucher",
            "title": "手作茶巾 Tea cloth",
            "stock": 2,
            "cost_minor": 900,
        },
        {
            "needs": 30,
            "kind": "points",
            "title": "一千积分 1,000 points",
            "stock": 1,
            "points": 1000,
        },
    ]


def view_of(person: Person, name: str) -> Locator:
    """One view of the sheet of rewards, loaded."""
    dialog = person.page.locator("dialog.reward-sheet")
    dialog.locator(f"input[value={name}]").check()
    view = dialog.locator(".reward-view")
    expect(view).to_be_visible()
    return view


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("screen", [PHONE, DESK, SMALL])
def test_sharing_can_be_used_and_read_in_every_state(
    visit: Visit, shop: Shop, language: str, screen: Any, room: str
) -> None:
    Sale(shop, room, {**WHITE, "markup_max_minor": 1_000}, BLUE).open()
    publish_ladder(shop, room, *all_kinds(shop, room))
    person = member(visit, shop, f"/r/{room}", "安安", language=language, screen=screen)
    grant_coupon(shop, f"own-{room}"[:64], user_of(person))
    person.page.reload()
    person.wait_connected()
    expect(person.page.locator("#invite")).to_be_visible()
    check_usable(person)
    share_sheet(person)
    check_usable(person)
    person.page.locator(".share-poster").click()
    expect(person.page.locator("img.poster")).to_be_visible()
    check_usable(person)
    person.page.keyboard.press("Escape")
    person.page.keyboard.press("Escape")
    person.page.locator("#invite").click()
    for name in VIEWS:  # nothing has happened yet: each says so
        view_of(person, name)
        check_usable(person)
    person.page.keyboard.press("Escape")
    form = open_sheet(person)
    form.locator(".coupon-picker summary").click()
    form.get_by_role("checkbox").check()
    expect(form.locator(".sums")).to_be_visible()
    check_usable(person)
    form.locator(".sale-share").click()
    ready_sheet(person).locator(".markup summary").click()
    check_usable(person)
    person.page.keyboard.press("Escape")
    person.page.keyboard.press("o")
    person.page.locator(".my-coupons summary").click()
    check_usable(person)
    person.check_clean()


def test_rewards_of_every_kind_are_opened_used_and_shown(
    visit: Visit, shop: Shop, room: str
) -> None:
    publish_ladder(shop, room, *all_kinds(shop, room))
    ann = member(visit, shop, f"/r/{room}", "安安")
    path = link_in(share_sheet(ann))
    bring_friends(visit, shop, room, path, 4)
    come_by(visit, room, path, shop.token(user_of(ann)))
    ann.page.keyboard.press("Escape")
    expect(ann.page.locator("#invite")).to_have_text("邀请有礼 4/30", timeout=JUDGED_WITHIN_MS)
    ann.page.locator("#invite").click()
    expect(ann.page.locator(".tier[data-state=granted]")).to_have_count(4)
    refused = ann.page.locator(".refused")
    expect(refused).to_contain_text("未计入 1 位", timeout=JUDGED_WITHIN_MS)
    refused.locator("summary").click()
    expect(refused.locator("p")).to_contain_text("每一位的原因由商家查看")
    expect(refused).not_to_contain_text("自己")
    expect(ann.page.locator(".tier").last).to_contain_text("还差 26 位")
    check_usable(ann)

    rewards = view_of(ann, "rewards")
    expect(rewards.locator(".reward")).to_have_count(4)
    check_usable(ann)
    packet = rewards.locator("[data-kind=red_packet]")
    packet.get_by_role("button", name="拆红包").click()
    expect(packet).to_have_attribute("data-state", "opened")
    expect(packet).to_contain_text(re.compile(r"红包里有 ¥\d"))
    code = rewards.locator(".voucher").inner_text()
    redeem = {"code": code, "request_id": "till-1"}
    shop.call("POST", "/api/v1/vouchers/redeem", redeem)
    view_of(ann, "ranking")
    expect(ann.page.locator(".rank[data-mine=yes]")).to_contain_text("安*")
    check_usable(ann)
    view_of(ann, "rewards")
    voucher = rewards.locator("[data-kind=voucher]")
    expect(voucher).to_have_attribute("data-state", "redeemed")
    expect(voucher).to_contain_text("已核销")
    ann.page.keyboard.press("Escape")
    ann.page.keyboard.press("o")
    expect(ann.page.locator(".my-coupons .coupon")).to_have_count(1)
    ann.check_clean()


def test_the_link_is_copied_and_each_channel_has_a_link_of_its_own(
    visit: Visit, shop: Shop, room: str
) -> None:
    ann = member(
        visit, shop, f"/r/{room}", "安安", permissions=["clipboard-read", "clipboard-write"]
    )
    sheet = share_sheet(ann)
    plain = link_in(sheet)
    sheet.locator(".share-copy").click()
    expect(toast(ann)).to_have_text("已复制，去粘贴给朋友吧")
    copied = ann.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == sheet.locator(".share-text").inner_text()
    assert copied.endswith(f"{shop.base_url}{plain}")
    sheet.get_by_role("radio", name="微博").check()
    expect(sheet.locator(".share-text")).not_to_contain_text(plain)
    weibo = link_in(ready_sheet(ann))
    words = sheet.locator(".share-text").inner_text()
    sheet.get_by_role("button", name="换一句").click()
    assert sheet.locator(".share-text").inner_text() != words
    sheet.get_by_role("radio", name="通用").check()
    expect(sheet.locator(".share-text")).to_contain_text(plain)
    assert plain != weibo
    ann.check_clean()


def test_the_devices_own_share_menu_gets_the_link_of_its_channel(
    visit: Visit, shop: Shop, room: str
) -> None:
    ann = member(visit, shop, f"/r/{room}", "安安")
    ann.page.evaluate(
        """() => {
          window.shared = [];
          navigator.share = async (what) => { window.shared.push(what); };
        }"""
    )
    sheet = share_sheet(ann)
    plain = link_in(sheet)
    sheet.locator(".share-system").click()
    ann.page.wait_for_function("() => window.shared.length === 1")
    what = ann.page.evaluate("() => window.shared[0]")
    assert what["url"].startswith(f"{shop.base_url}/s/")
    assert not what["url"].endswith(plain)
    assert "http" not in what["text"]
    ann.check_clean()


def test_a_poster_is_saved_as_a_picture(visit: Visit, shop: Shop, room: str) -> None:
    ann = member(visit, shop, f"/r/{room}", "安安", language="en-US", screen=DESK)
    share_sheet(ann).locator(".share-poster").click()
    with ann.page.expect_download() as saving:
        ann.page.locator(".poster-save").click()
    picture = saving.value.path().read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20]) == 750
    assert saving.value.suggested_filename == "poster.png"
    ann.check_clean()


def test_a_guest_is_asked_for_a_name_and_then_goes_on_sharing(visit: Visit, room: str) -> None:
    guest = visit(f"/r/{room}")
    guest.wait_connected()
    guest.page.locator("#share").click()
    guest.page.locator("#name-text").fill("小雨")
    guest.page.locator("#name-send").click()
    assert link_in(ready_sheet(guest))
    guest.check_clean()


def test_what_fails_says_so_and_can_be_tried_again(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    publish_ladder(shop, room, *all_kinds(shop, room))
    ann = member(visit, shop, f"/r/{room}", "安安", by=line.url)
    share_sheet(ann)  # the part with the sheets is here now
    ann.page.keyboard.press("Escape")
    expect(ann.page.locator("#invite")).to_be_visible()
    line.cut()
    ann.wait_connection("waiting")
    ann.page.locator("#share").click()
    sheet = ann.page.locator("dialog.share-sheet")
    expect(sheet.locator(".field-error")).to_have_text("网络未连接，请稍后再试")
    for name in (".share-copy", ".share-poster"):
        expect(sheet.locator(name)).to_be_disabled()
    check_usable(ann)
    line.mend()
    ann.wait_connected()
    sheet.get_by_role("button", name="重试").click()
    assert link_in(ready_sheet(ann))
    ann.page.keyboard.press("Escape")
    line.cut()
    ann.wait_connection("waiting")
    ann.page.locator("#invite").click()
    dialog = ann.page.locator("dialog.reward-sheet")
    expect(dialog.get_by_role("status")).to_have_text("网络未连接，请稍后再试")
    line.mend()
    ann.wait_connected()
    dialog.get_by_role("button", name="重试").click()
    expect(dialog.locator(".tier")).to_have_count(5)


def test_a_price_that_cannot_be_had_is_not_guessed(
    visit: Visit, shop: Shop, room: str, line: Line
) -> None:
    Sale(shop, room, WHITE).open()
    ann = member(visit, shop, f"/r/{room}", "安安", by=line.url)
    grant_coupon(shop, f"own-{room}"[:64], user_of(ann))
    ann.page.reload()
    ann.wait_connected()
    form = open_sheet(ann)
    form.locator(".coupon-picker summary").click()
    line.cut()
    ann.wait_connection("waiting")
    form.get_by_role("checkbox").check()
    expect(form.locator(".pricing-wrong")).to_contain_text("网络未连接，请稍后再试")
    expect(form.locator(".sale-buy")).to_have_attribute("aria-disabled", "true")
    line.mend()
    ann.wait_connected()
    form.locator(".pricing-wrong").get_by_role("button", name="重试").click()
    expect(form.locator(".sale-buy")).to_have_text("立即抢购 · ¥54")
    expect(form.locator(".sale-buy")).to_have_attribute("aria-disabled", "false")


def test_sharing_can_be_done_without_a_mouse(visit: Visit, shop: Shop, room: str) -> None:
    publish_ladder(shop, room, *all_kinds(shop, room))
    ann = member(visit, shop, f"/r/{room}", "Ann", language="en-US", screen=DESK)
    keys = ann.page.keyboard
    expect(ann.page.locator("#invite")).to_be_visible()
    keys.press("s")
    sheet = ready_sheet(ann)
    focus_on(ann, sheet.get_by_role("radio").first)
    keys.press("ArrowRight")
    expect(sheet.get_by_role("radio", name="WeChat")).to_be_checked()
    focus_on(ann, ready_sheet(ann).locator(".share-reward"))
    keys.press("Enter")
    rewards = ann.page.locator("dialog.reward-sheet")
    expect(rewards.locator(".tier")).to_have_count(5)
    focus_on(ann, rewards.get_by_role("radio", name="Progress"))
    keys.press("ArrowRight")
    expect(rewards.locator(".nothing-head")).to_have_text("No rewards yet")
    keys.press("Escape")
    expect(rewards).to_have_count(0)
    ann.check_clean()


def focus_on(person: Person, wanted: Locator) -> None:
    """Press Tab until it has the focus."""
    for _ in range(30):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        person.page.keyboard.press("Tab")
    raise AssertionError("Tab does not get there")


@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures_of_sharing(visit: Visit, shop: Shop, language: str, room: str) -> None:
    """Screenshots for people to look at, kept with the run's artifacts."""
    Sale(shop, room, {**WHITE, "markup_max_minor": 1_000}, BLUE).open()
    publish_ladder(shop, room, *all_kinds(shop, room))
    plan = {"level1_bp": 1_000, "window_days": 7}
    shop.call("PUT", f"/api/v1/rooms/{room}/commission", plan)
    ann = member(visit, shop, f"/r/{room}", "安安", language=language)
    desk = member(visit, shop, f"/r/{room}", "小柏", language=language, screen=DESK)
    grant_coupon(shop, f"own-{room}"[:64], user_of(ann))
    ann.page.reload()
    ann.wait_connected()
    bring_friends(visit, shop, room, link_in(share_sheet(ann)), 4)
    ann.page.keyboard.press("Escape")
    invited = ann.page.locator("#invite-text")
    expect(invited).to_have_text(re.compile(r"4/30"), timeout=JUDGED_WITHIN_MS)
    ann.keep_picture(f"sharing-{language}-room")
    share_sheet(ann)
    ann.keep_picture(f"sharing-{language}-sheet")
    ann.page.keyboard.press("Escape")
    ann.page.locator("#invite").click()
    for name in VIEWS:
        view_of(ann, name)
        ann.keep_picture(f"sharing-{language}-{name}")
    ann.page.keyboard.press("Escape")
    form = open_sheet(ann)
    form.locator(".coupon-picker summary").click()
    form.get_by_role("checkbox").first.check()
    expect(form.locator(".sums")).to_be_visible()
    ann.keep_picture(f"sharing-{language}-coupons")
    form.locator(".sale-buy").click()
    expect(order_of(ann)).to_have_attribute("data-state", "reserved")
    ann.keep_picture(f"sharing-{language}-order")
    form.locator(".sale-share").click()
    ready_sheet(ann).locator(".markup summary").click()
    ann.keep_picture(f"sharing-{language}-markup")
    ann.page.keyboard.press("Escape")
    ann.page.keyboard.press("o")
    ann.page.locator(".my-coupons summary").click()
    ann.keep_picture(f"sharing-{language}-orders")
    desk.keep_picture(f"sharing-{language}-desk-room")
    share_sheet(desk)
    desk.keep_picture(f"sharing-{language}-desk-sheet")
    desk.page.keyboard.press("Escape")
    desk.page.locator("#invite").click()
    view_of(desk, "progress")
    desk.keep_picture(f"sharing-{language}-desk-progress")
    for person in (ann, desk):
        person.check_clean()
