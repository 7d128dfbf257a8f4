"""A room as people use it: two phones and a host in real browsers, on the server as it is run."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browser_support import PHONE, Shop, Visit, host_of

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]


def test_two_phones_and_a_host_share_a_room(visit: Visit, shop: Shop, room: str) -> None:
    first = visit(f"/r/{room}", reduced_motion="no-preference")
    second = visit(f"/r/{room}", language="en-US", reduced_motion="no-preference")
    host = host_of(visit, shop, room, reduced_motion="no-preference")
    for person in (first, second):
        person.wait_connected()

    # comments, from a guest who is asked for a name once
    first.take_name("小雨", "这只杯子能装多少毫升？")
    second.take_name("Emma", "Is it dishwasher safe?")
    for person in (first, second, host):
        person.expect_comments("这只杯子能装多少毫升？", "Is it dishwasher safe?")
    expect(first.comment("这只杯子能装多少毫升？").locator(".name")).to_have_text("小雨（我）")
    expect(second.comment("这只杯子能装多少毫升？").locator(".name")).to_have_text("小雨")
    first.say("好的，谢谢")
    expect(second.comment("好的，谢谢")).to_be_visible()

    # the host answers, with a badge and a quote
    host.comment("Is it dishwasher safe?").locator(".act-reply").click()
    host.page.locator("#answer-text").fill("可以进洗碗机哦")
    host.page.locator("#answer-send").click()
    answer = second.comment("可以进洗碗机哦")
    expect(answer.locator(".quote")).to_have_text("Emma: Is it dishwasher safe?")
    expect(answer.locator(".badge")).to_have_text("Host")

    # a phone answers too
    second.comment("这只杯子能装多少毫升？").locator("button.bubble").click()
    second.page.get_by_role("button", name="Reply", exact=True).click()
    second.say("350 ml I think")
    expect(first.comment("350 ml I think").locator(".quote")).to_have_text(
        "小雨：这只杯子能装多少毫升？"
    )

    # likes of a comment
    first.comment("Is it dishwasher safe?").locator("button.bubble").click()
    first.page.locator(".comment-like").click()
    for person in (first, second, host):
        expect(person.comment("Is it dishwasher safe?").locator(".liked")).to_have_text("1")

    for person in (first, second, host):
        person.check_clean()


def test_likes_add_up_exactly_for_everybody(visit: Visit, shop: Shop, room: str) -> None:
    first, second = visit(f"/r/{room}"), visit(f"/r/{room}", language="en-US")
    host = host_of(visit, shop, room)
    for person in (first, second):
        person.wait_connected()
    for _ in range(7):
        first.page.locator("#like").click()
    for _ in range(5):
        second.page.locator("#like").click()
    expect(first.page.locator("#like-total")).to_have_text("12 次点赞")
    expect(second.page.locator("#like-total")).to_have_text("12 likes")
    expect(host.page.locator("#count-likes")).to_have_text("12")
    expect(host.page.locator("#count-viewers")).to_have_text("3")
    second.page.reload()
    expect(second.page.locator("#like-total")).to_have_text("12 likes")
    for person in (first, second, host):
        person.check_clean()


def test_hearts_rise_for_likes_and_keep_still_for_who_wants_no_motion(
    visit: Visit, room: str
) -> None:
    lively, calm = visit(f"/r/{room}", reduced_motion="no-preference"), visit(f"/r/{room}")
    for person in (lively, calm):
        person.wait_connected()
    lively.page.evaluate(
        """() => {
          window.hearts = 0;
          const count = (changes) => changes.forEach(({ addedNodes }) => {
            window.hearts += addedNodes.length;
          });
          const sky = document.getElementById('hearts');
          new MutationObserver(count).observe(sky, { childList: true });
        }"""
    )
    lively.page.locator("#like").click()
    lively.page.wait_for_function("window.hearts >= 1")
    calm.page.locator("#like").click()
    expect(lively.page.locator("#like-total")).to_have_text("2 次点赞")
    expect(calm.page.locator("#like-total")).to_have_text("2 次点赞")
    assert calm.page.locator("#hearts > *").count() == 0


def test_the_host_pins_products_by_key_and_by_press_on_every_screen(
    visit: Visit, shop: Shop, room: str
) -> None:
    products = shop.products()
    phone = visit(f"/r/{room}")
    desk, pocket = host_of(visit, shop, room), host_of(visit, shop, room, screen=PHONE)
    phone.wait_connected()
    card = phone.page.locator(".product-card")
    expect(card).to_have_count(0)
    expect(desk.page.locator(".tile")).to_have_count(len(products))

    desk.page.keyboard.press("2")
    expect(card.locator(".product-title")).to_have_text(products[1]["title"])
    expect(desk.page.locator(".tile.pinned .tile-number")).to_have_text("2")
    pocket.page.locator(".tabs [data-tab=shelf]").click()
    expect(pocket.page.locator(".tile.pinned .tile-number")).to_have_text("2")

    pocket.page.locator(".tile-press").first.click()
    expect(card.locator(".product-title")).to_have_text(products[0]["title"])
    expect(desk.page.locator(".tile.pinned .tile-number")).to_have_text("1")
    expect(card.locator("img")).to_have_js_property("complete", True)
    assert card.locator("img").evaluate("image => image.naturalWidth") > 0

    desk.page.keyboard.press("9")  # there is no ninth: nothing happens
    desk.page.keyboard.press("0")
    expect(card).to_have_count(0)
    expect(pocket.page.locator(".tile.pinned")).to_have_count(0)
    for person in (phone, desk, pocket):
        person.check_clean()


def test_the_audience_sees_the_shelf_and_each_product(visit: Visit, shop: Shop, room: str) -> None:
    phone = visit(f"/r/{room}", language="en-US")
    phone.wait_connected()
    products = shop.products()
    expect(phone.page.locator("#bag-count")).to_have_text(str(len(products)))
    phone.page.locator("#bag").click()
    rows = phone.page.locator("#shelf-list .product-title")
    expect(rows).to_have_text([product["title"] for product in products])
    phone.page.locator(".shelf-row").first.click()
    details = phone.page.locator(".product-sheet")
    expect(details.locator(".variants li")).to_have_count(len(products[0]["skus"]))
    expect(details.locator(".price").first).to_contain_text("CN¥89")
    phone.page.keyboard.press("Escape")
    expect(details).to_have_count(0)
    phone.check_clean()


def test_a_removed_comment_is_gone_everywhere_with_its_reason(
    visit: Visit, shop: Shop, room: str
) -> None:
    first, second = visit(f"/r/{room}"), visit(f"/r/{room}", language="en-US")
    host = host_of(visit, shop, room)
    first.wait_connected()
    first.take_name("阿广", "大家都来看我的店")
    expect(host.comment("大家都来看我的店")).to_be_visible()

    host.comment("大家都来看我的店").locator(".act-pin").click()
    expect(second.page.locator("#pinned-comment")).to_contain_text("大家都来看我的店")
    host.comment("大家都来看我的店").locator(".act-moderate").click()
    go = host.page.locator(".moderate .button.danger")
    go.click()
    expect(host.page.locator(".moderate .field-error")).to_be_visible()  # a reason is needed
    host.page.get_by_role("radio", name="广告刷屏", exact=True).check()
    go.click()

    expect(first.page.locator(".comment.removed")).to_have_text("该评论已被移除：广告刷屏")
    expect(second.page.locator(".comment.removed")).to_have_text("This comment was removed: Spam")
    expect(second.page.locator("#pinned-comment")).to_be_hidden()
    expect(host.page.locator(".log-row.removed")).to_contain_text("广告刷屏")
    for person in (first, second, host):
        assert "大家都来看我的店" not in person.page.locator("body").inner_text()
    second.page.reload()
    second.wait_connected()
    assert "大家都来看我的店" not in second.page.content()


def test_a_muted_guest_reads_why_and_speaks_again_when_it_is_lifted(
    visit: Visit, shop: Shop, room: str
) -> None:
    guest, host = visit(f"/r/{room}"), host_of(visit, shop, room)
    guest.wait_connected()
    guest.take_name("阿吵", "吵吵吵")
    host.comment("吵吵吵").locator(".act-moderate").click()
    host.page.get_by_role("radio", name="禁言", exact=True).check()
    host.page.get_by_role("radio", name="1 小时", exact=True).check()
    host.page.get_by_role("radio", name="辱骂攻击", exact=True).check()
    host.page.locator(".moderate .button.danger").click()

    words = guest.page.locator("#comment-text")
    expect(words).to_be_disabled()
    expect(words).to_have_attribute("placeholder", re.compile("您已被禁言至 .*辱骂攻击"))
    expect(host.page.locator("#done")).to_contain_text("已禁言 阿吵，1 小时")

    guest.page.reload()  # the page forgets; the server does not
    guest.wait_connected()
    guest.say("我还在")
    expect(words).to_be_disabled()
    expect(words).to_have_value("我还在")

    host.page.get_by_role("button", name="解除禁言").click()
    expect(words).to_be_enabled()
    guest.page.locator("#send").click()
    expect(host.comment("我还在")).to_be_visible()
    expect(host.page.locator("#done-empty")).to_be_visible()


def test_a_banned_guest_is_sent_out_and_can_be_let_back_in(
    visit: Visit, shop: Shop, room: str
) -> None:
    guest, host = visit(f"/r/{room}", language="en-US"), host_of(visit, shop, room)
    guest.wait_connected()
    guest.take_name("Spammer", "look at my shop")
    host.comment("look at my shop").locator(".act-moderate").click()
    host.page.get_by_role("radio", name="封禁", exact=True).check()
    host.page.get_by_role("radio", name="引流诈骗", exact=True).check()
    go = host.page.locator(".moderate .button.danger")
    go.click()
    expect(go).to_have_text("再按一次，确认封禁 Spammer")
    expect(guest.page.locator("#status")).to_be_hidden()
    go.click()

    status = guest.page.locator("#status")
    expect(status).to_contain_text("You were removed from this room")
    host.page.get_by_role("button", name="解除封禁").click()
    expect(host.page.locator("#done-empty")).to_be_visible()
    status.get_by_role("button", name="Enter again").click()
    guest.wait_connected()
    expect(guest.comment("look at my shop")).to_be_visible()
    expect(status).to_be_hidden()
    guest.say("sorry")
    expect(host.comment("sorry")).to_be_visible()


def test_a_reload_keeps_the_history_and_the_name(visit: Visit, room: str) -> None:
    guest = visit(f"/r/{room}")
    guest.wait_connected()
    guest.take_name("小雨", "第一句")
    guest.say("第二句")
    guest.expect_comments("第一句", "第二句")
    guest.page.reload()
    guest.expect_comments("第一句", "第二句")
    expect(guest.comment("第一句").locator(".name")).to_have_text("小雨（我）")
    guest.say("第三句")
    guest.expect_comments("第一句", "第二句", "第三句")
    expect(guest.page.locator("#name-sheet")).to_be_hidden()
    guest.check_clean()


def test_notices_states_and_slow_mode_reach_the_audience(
    visit: Visit, shop: Shop, room: str
) -> None:
    guest = visit(f"/r/{room}#token={shop.token('u1', name='小雨')}")
    merchant = host_of(visit, shop, room, role="merchant")
    guest.wait_connected()
    notice = guest.page.locator("#notice")
    expect(notice).to_be_hidden()
    merchant.page.locator("#notice-text").fill("今晚 9 点开抢")
    merchant.page.locator("#notice-set").click()
    expect(notice).to_have_text("今晚 9 点开抢")
    merchant.page.locator("#notice-clear").click()
    expect(notice).to_be_hidden()

    merchant.page.locator("#room").press("s")
    expect(merchant.page.locator("#slow-choice input:checked")).to_be_focused()
    merchant.page.locator("#slow-choice").get_by_role("radio", name="30 秒", exact=True).click()
    words = guest.page.locator("#comment-text")
    expect(words).to_have_attribute("placeholder", "慢速模式：每 30 秒一条")
    guest.say("慢慢说")
    expect(guest.comment("慢慢说")).to_be_visible()
    expect(guest.page.locator("#countdown")).to_have_text(re.compile(r"^(30|2\d) 秒$"))
    words.fill("再说一句")
    expect(guest.page.locator("#send")).to_be_disabled()
    merchant.page.locator("#slow-choice").get_by_role("radio", name="关闭", exact=True).click()
    expect(words).to_have_attribute("placeholder", "说点什么…")

    merchant.page.locator("#state-choice").get_by_role("radio", name="已结束", exact=True).click()
    merchant.page.get_by_role("button", name="结束直播", exact=True).click()
    expect(guest.page.locator("#curtain-state")).to_have_text("直播已结束")
    expect(guest.page.locator("#live-state")).to_have_text("已结束")
    for person in (guest, merchant):
        person.check_clean()
