"""What the pages refuse, and how: hostile text, wrong tokens, rules of the room, bad links."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect

from tests.e2e.browser_support import DESK, Person, Shop, Visit, another_site, host_of
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>document.title='owned'</script>",
    "</p><svg onload=alert(1)>",
    '"><b>bold</b>&lt;i&gt;',
    "{{7*7}} ${7*7} javascript:alert(1)",
)


def test_hostile_text_is_shown_as_text_everywhere(visit: Visit, shop: Shop, room: str) -> None:
    hostile_name = "<u>小</u><script>"
    token = shop.token("u1", role="host", rooms=[room], name=hostile_name)
    phone = visit(f"/r/{room}#token={token}")
    viewer = visit(f"/r/{room}", language="en-US", screen=DESK)
    host = host_of(visit, shop, room)
    dialogs: list[str] = []
    for person in (phone, viewer, host):
        person.wait_connected()
        person.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for words in HOSTILE:
        phone.say(words)
        expect(phone.comment(words)).to_have_count(1)
    for person in (phone, viewer, host):
        person.expect_comments(*HOSTILE)
        expect(person.page.locator("#stream .name").first).to_contain_text(hostile_name)

    host.comment(HOSTILE[0]).locator(".act-pin").click()
    expect(viewer.page.locator("#pinned-comment")).to_contain_text(HOSTILE[0])
    host.page.locator("#notice-text").fill(HOSTILE[2])
    host.page.locator("#notice-set").click()
    expect(viewer.page.locator("#notice")).to_have_text(HOSTILE[2])
    viewer.comment(HOSTILE[1]).locator("button.bubble").click()
    expect(viewer.page.locator(".comment-sheet blockquote")).to_contain_text(HOSTILE[1])
    shop.change_room(room, title=HOSTILE[3])
    expect(viewer.page.locator("#title")).to_have_text(HOSTILE[3])
    expect(viewer.page).to_have_title(f"{HOSTILE[3]} · Qingshan")

    for person in (phone, viewer, host):
        foreign = "#stream :is(img, script, u, b, i, svg:not(.icon)), #title *, #notice script"
        expect(person.page.locator(foreign)).to_have_count(0)
        person.check_clean()
    assert dialogs == []


@pytest.mark.parametrize(
    "mistake",
    [
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<img>')",
        "document.createElement('img').setAttribute('onerror', 'window.owned = true')",
        "document.createElement('script').text = 'window.owned = true'",
        "new DOMParser().parseFromString('<b>x</b>', 'text/html')",
    ],
)
def test_markup_made_by_mistake_is_refused_by_the_browser(visit: Visit, mistake: str) -> None:
    """The policy is a second wall behind the pages' own care."""
    phone = visit("/r/demo")
    with pytest.raises(Error, match="Trusted"):
        phone.page.evaluate(f"() => {{ {mistake}; }}")
    assert phone.page.evaluate("window.owned") is None


def test_a_token_in_the_link_signs_in_and_leaves_the_address(
    visit: Visit, shop: Shop, room: str
) -> None:
    token = shop.token("vip-1", name="会员小林")
    phone = visit(f"/r/{room}?lang=zh-CN#token={token}")
    phone.wait_connected()
    assert phone.page.url == f"{shop.base_url}/r/{room}?lang=zh-CN"
    phone.say("我是会员")
    expect(phone.comment("我是会员").locator(".name")).to_have_text("会员小林（我）")
    expect(phone.page.locator("#name-sheet")).to_be_hidden()
    phone.page.reload()
    phone.say("还是我")
    expect(phone.comment("还是我").locator(".name")).to_have_text("会员小林（我）")
    phone.check_clean()


def test_a_forged_token_falls_back_to_watching(visit: Visit, shop: Shop, room: str) -> None:
    phone = visit(f"/r/{room}#token=not.a.token", language="en-US")
    phone.wait_connected()
    expect(phone.page.locator("#toast")).to_contain_text("Your sign-in has ended")
    expect(phone.page.locator("#viewer-count")).to_have_text("1")
    phone.page.reload()
    phone.wait_connected()  # the bad token was not kept
    phone.take_name("Emma", "hello")


def test_an_expired_token_of_a_customer_goes_on_as_a_guest(
    visit: Visit, shop: Shop, room: str
) -> None:
    phone = visit(f"/r/{room}#token={shop.token('u9', ttl_s=-60)}", language="en-US")
    phone.wait_connected()
    expect(phone.page.locator("#toast")).to_contain_text("Your sign-in has ended")
    phone.take_name("Emma", "still here")


def test_an_expired_guest_takes_the_same_name_again_unasked(
    visit: Visit, shop: Shop, room: str
) -> None:
    phone = visit("/")
    kept = {"token": shop.token("g1", ttl_s=-60), "guest": True, "name": "小雨"}
    phone.page.evaluate("kept => localStorage.setItem('live.viewer', kept)", json.dumps(kept))
    phone.page.goto(f"{shop.base_url}/r/{room}")
    phone.wait_connected()
    phone.say("又是我")
    expect(phone.comment("又是我").locator(".name")).to_have_text("小雨（我）")
    expect(phone.page.locator("#name-sheet")).to_be_hidden()
    phone.check_clean()


def test_who_is_sent_out_by_the_shop_reads_it_and_may_come_back(
    visit: Visit, shop: Shop, room: str
) -> None:
    phone = visit(f"/r/{room}#token={shop.token('u7')}", language="en-US")
    phone.wait_connected()
    phone.say("hello")
    phone.expect_comments("hello")
    phone.watch_connection()
    shop.call("POST", "/api/disconnect", {"user": "u7", "code": 4400, "reason": "moved"})
    phone.wait_was("waiting")
    phone.wait_connected()  # a temporary close comes back by itself
    shop.call("POST", "/api/disconnect", {"user": "u7", "code": 3503, "reason": "bye"})
    phone.wait_connection("closed")
    expect(phone.page.locator("#status")).to_contain_text("Staff closed this connection")
    phone.page.get_by_role("button", name="Enter again").click()
    phone.wait_connected()
    phone.expect_comments("hello")


def test_the_console_sends_back_who_may_not_run_this_room(
    visit: Visit, shop: Shop, room: str
) -> None:
    for token in (
        shop.token("u1", role="viewer", rooms=[room]),
        shop.token("u2", role="host", rooms=["another-room"]),
    ):
        person = visit(f"/host/{room}#token={token}", language="en-US", screen=DESK)
        expect(person.page.locator("#signin-error")).to_contain_text("no host or moderator rights")
        expect(person.page.locator("#room")).to_be_hidden()
        assert "token" not in person.page.url
    stale = visit(f"/host/{room}#token={shop.token('u3', role='host', rooms=[room], ttl_s=-60)}")
    expect(stale.page.locator("#signin-error")).to_have_text("登录已过期")
    forged = visit(f"/host/{room}#token=forged", language="en-US")
    expect(forged.page.locator("#signin-error")).to_have_text("The sign-in token is not valid")


def test_a_pasted_token_opens_the_console_and_leaving_closes_it(
    visit: Visit, shop: Shop, room: str
) -> None:
    person = visit(f"/host/{room}", language="en-US", screen=DESK)
    expect(person.page.locator("#signin-error")).to_be_hidden()
    person.page.locator("#signin-token").fill(shop.token("h1", role="host", rooms=[room]))
    person.page.get_by_role("button", name="Open the console").click()
    expect(person.page.locator(".tile")).to_have_count(4)
    person.page.reload()
    expect(person.page.locator(".tile")).to_have_count(4)
    person.page.get_by_role("button", name="Sign out").click()
    expect(person.page.locator("#signin")).to_be_visible()
    person.page.reload()
    expect(person.page.locator("#signin")).to_be_visible()
    expect(person.page.locator("#signin-error")).to_be_hidden()
    person.check_clean()


def test_a_moderator_moderates_and_neither_pins_products_nor_ends_the_show(
    visit: Visit, shop: Shop, room: str
) -> None:
    guest = visit(f"/r/{room}")
    guest.wait_connected()
    guest.take_name("阿广", "广告")
    moderator = host_of(visit, shop, room, role="moderator")
    expect(moderator.page.locator("#my-role")).to_have_text("管理员")
    expect(moderator.page.locator("#control-notice")).to_be_hidden()
    expect(moderator.page.locator("#control-state")).to_be_hidden()
    expect(moderator.page.locator(".tile-press").first).to_be_disabled()
    moderator.page.keyboard.press("1")
    moderator.comment("广告").locator(".act-moderate").click()
    moderator.page.get_by_role("radio", name="广告刷屏").check()
    moderator.page.locator(".moderate .button.danger").click()
    expect(guest.page.locator(".comment.removed")).to_be_visible()
    expect(guest.page.locator(".product-card")).to_have_count(0)
    moderator.check_clean()


def test_keys_keep_still_while_somebody_writes(visit: Visit, shop: Shop, room: str) -> None:
    host = host_of(visit, shop, room, language="en-US")
    host.page.locator("#answer-text").press_sequentially("12 s?")
    host.page.locator("#notice-text").press_sequentially("3")
    expect(host.page.locator(".tile.pinned")).to_have_count(0)
    host.page.locator("#pane-comments-title").click()
    host.page.keyboard.press("Control+1")
    host.page.keyboard.press("?")
    expect(host.page.locator("dialog[open]")).to_contain_text("Keyboard shortcuts")
    host.page.keyboard.press("1")  # a dialog is open
    host.page.keyboard.press("Escape")
    expect(host.page.locator(".tile.pinned")).to_have_count(0)
    host.page.keyboard.press("4")
    expect(host.page.locator(".tile.pinned .tile-number")).to_have_text("4")
    host.check_clean()


def test_a_comment_against_the_rules_is_given_back_with_the_reason(visit: Visit, room: str) -> None:
    phone = visit(f"/r/{room}")
    phone.wait_connected()
    phone.take_name("小雨", "你好")
    phone.say("加我微信 abc12345 领券")
    expect(phone.page.locator("#toast")).to_contain_text("未通过直播间规则")
    expect(phone.page.locator("#comment-text")).to_have_value("加我微信 abc12345 领券")
    phone.expect_comments("你好")
    phone.say("请问包邮吗")
    phone.expect_comments("你好", "请问包邮吗")
    phone.check_clean()


def test_who_writes_too_fast_waits_and_loses_no_word(visit: Visit, shop: Shop, room: str) -> None:
    phone = visit(f"/r/{room}")
    phone.wait_connected()
    phone.take_name("小雨", "零")
    written = [f"第{number}句" for number in range(12)]
    for words in written:
        phone.page.locator("#comment-text").press_sequentially(words)
        phone.page.keyboard.press("Enter")
    countdown = phone.page.locator("#countdown")
    expect(phone.page.locator("#stream > .pending")).to_have_count(0)
    kept = phone.page.locator("#comment-text").input_value()
    said = phone.page.locator("#stream .text").all_inner_texts()
    for words in written:
        assert words in kept or any(words in one for one in said), (words, kept, said)
    assert kept.startswith("第")
    expect(countdown).to_be_hidden()
    phone.page.locator("#send").click()
    expect(phone.comment(kept)).to_have_count(1)


def test_a_room_that_does_not_exist_says_so(visit: Visit) -> None:
    viewer = visit("/r/no-such-room", language="en-US")
    expect(viewer.page.locator("#status")).to_contain_text("There is no such room")
    expect(viewer.page.locator("#composer")).to_be_hidden()


INTEGRATION = """<!doctype html><script type="module">
  import { LiveClient } from '%s/static/live-client.js';
  const client = new LiveClient('%s');
  client.subscribe('room:demo').on('subscribed', ({ data }) => { window.title = data.room.title; });
  client.on('state', ({ state }) => { window.heard = [...(window.heard ?? []), state]; });
  client.connect();
</script>"""


def test_a_page_elsewhere_uses_the_client_if_its_origin_is_allowed(
    browser: Browser, shop: Shop, start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    """The example of docs/CLIENT.md."""
    with another_site(tmp_path) as url:
        friend = start_server(ONAIR_ALLOWED_ORIGINS=url)
        for name, server in (("friend", friend), ("stranger", shop)):
            page = INTEGRATION % (server.base_url, server.ws_url)
            (tmp_path / f"{name}.html").write_text(page)
        allowed = Person(browser, f"{url}/friend.html")
        allowed.page.wait_for_function("window.title?.length > 0")
        refused = Person(browser, f"{url}/stranger.html")
        refused.page.wait_for_function("window.heard?.includes('waiting')")
        assert "connected" not in refused.page.evaluate("window.heard")
        for person in (allowed, refused):
            person.leave()


def test_guests_that_may_not_speak_still_watch_and_like(
    browser: Browser, start_server: Callable[..., LiveServer]
) -> None:
    server = start_server(ONAIR_GUESTS_MAY_SPEAK="0")
    phone = Person(browser, f"{server.base_url}/r/demo")
    phone.wait_connected()
    words = phone.page.locator("#comment-text")
    expect(words).to_be_disabled()
    expect(words).to_have_attribute("placeholder", "登录后即可评论")
    phone.page.locator("#like").click()
    expect(phone.page.locator("#like-total")).to_have_text("1 次点赞")
    phone.check_clean()
    phone.leave()
