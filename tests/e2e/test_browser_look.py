"""What everybody must be able to use: languages, keyboard, names, targets, contrast, video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_support import (
    DESK,
    PHONE,
    Person,
    Shop,
    Visit,
    another_site,
    host_of,
)

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]


@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
@pytest.mark.parametrize("screen", [PHONE, DESK, {"width": 360, "height": 640}])
def test_the_viewer_page_can_be_used_and_read(
    visit: Visit, shop: Shop, language: str, screen: dict[str, int], room: str
) -> None:
    person = visit(f"/r/{room}", language=language, screen=screen)
    person.wait_connected()
    person.take_name("Emma", "hello")
    host = host_of(visit, shop, room)
    host.page.keyboard.press("1")
    host.comment("hello").locator(".act-pin").click()
    host.page.locator("#notice-text").fill("公告 notice")
    host.page.locator("#notice-set").click()
    expect(person.page.locator("#notice")).to_be_visible()
    expect(person.page.locator("#pinned-comment")).to_be_visible()
    person.page.locator("#comment-text").fill("draft")
    check_usable(person)
    person.page.locator("#bag").click()
    expect(person.page.locator(".shelf-row")).to_have_count(4)
    check_usable(person)
    person.check_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
@pytest.mark.parametrize("screen", [PHONE, DESK])
def test_the_console_can_be_used_and_read(
    visit: Visit, shop: Shop, language: str, screen: dict[str, int], scheme: str, room: str
) -> None:
    guest = visit(f"/r/{room}")
    guest.wait_connected()
    guest.take_name("小雨", "你好")
    host = host_of(
        visit, shop, room, role="merchant", language=language, screen=screen, color_scheme=scheme
    )
    host.page.keyboard.press("2")
    host.comment("你好").locator(".act-pin").click()
    expect(host.page.locator("#pinned-comment")).to_be_visible()
    for tab in ("shelf", "comments", "controls"):
        if screen is PHONE:
            host.page.locator(f".tabs [data-tab={tab}]").click()
        check_usable(host)
    if screen is PHONE:
        host.page.locator(".tabs [data-tab=comments]").click()
    host.comment("你好").locator(".act-moderate").click()
    expect(host.page.locator(".moderate")).to_be_visible()
    check_usable(host)
    host.check_clean()


def test_the_sign_in_page_and_the_plain_pages_can_be_used_and_read(visit: Visit) -> None:
    for path in ("/", "/r/no.such", "/host/demo"):
        for language in ("zh-CN", "en-US"):
            person = visit(path, language=language)
            expect(person.page.locator("h1:visible")).to_have_count(1)
            check_usable(person)


def test_the_language_is_switched_in_place_and_kept(visit: Visit, room: str) -> None:
    person = visit(f"/r/{room}")
    person.wait_connected()
    person.take_name("小雨", "你好")
    expect(person.page.locator("html")).to_have_attribute("lang", "zh-CN")
    person.page.locator("#comment-text").fill("还没发的话")
    person.page.locator("#language").click()
    expect(person.page.locator("html")).to_have_attribute("lang", "en")
    expect(person.page.locator("#curtain-state")).to_have_text("Live now")
    expect(person.comment("你好").locator(".name")).to_have_text("小雨 (you)")
    expect(person.page.locator("#comment-text")).to_have_value("还没发的话")
    person.page.reload()
    expect(person.page.locator("#curtain-state")).to_have_text("Live now")
    person.page.goto(f"{person.page.url}?lang=zh-CN")
    expect(person.page.locator("#curtain-state")).to_have_text("正在直播")
    person.check_clean()


@pytest.mark.parametrize(
    ("language", "foreign"), [("en-US", r"[\u4e00-\u9fff]"), ("zh-CN", r"[a-z]{3,}")]
)
def test_no_word_of_the_other_language_is_left(
    visit: Visit, shop: Shop, language: str, foreign: str
) -> None:
    """A room whose own words are neither language shows only the page's words."""
    room = f"plain-{language}"
    shop.call("POST", "/api/v1/rooms", {"id": room, "title": "42", "stream_url": ""})
    viewer = visit(f"/r/{room}", language=language)
    viewer.wait_connected()
    token = shop.token("1", role="merchant", rooms=[room], name="7")
    host = visit(f"/host/{room}#token={token}", language=language, screen=DESK)
    host.wait_connected()
    host.page.keyboard.press("?")
    for person in (viewer, host):
        words = person.page.evaluate(
            """() => [...document.querySelectorAll('body *')]
              .filter((element) => element.checkVisibility() && !element.closest('#language'))
              .flatMap((element) => [element.getAttribute('placeholder'), ...[...element.childNodes]
                .filter((node) => node.nodeType === 3).map((node) => node.data)])
              .filter((words) => words?.trim())"""
        )
        assert len(words) > 8
        assert [one for one in words if re.search(foreign, one)] == []


def test_a_room_can_be_used_without_a_mouse(visit: Visit, room: str) -> None:
    person = visit(f"/r/{room}", language="en-US", screen=DESK)
    person.wait_connected()
    person.page.keyboard.press("/")
    expect(person.page.locator("#comment-text")).to_be_focused()
    person.page.keyboard.type("typed")
    person.page.keyboard.press("Enter")
    expect(person.page.locator("#name-text")).to_be_focused()
    person.page.keyboard.type("Keys")
    person.page.keyboard.press("Enter")
    expect(person.comment("typed")).to_be_visible()
    focus_on(person, person.comment("typed").locator("button.bubble"))
    person.page.keyboard.press("Enter")
    expect(person.page.locator(".comment-sheet")).to_be_visible()
    person.page.keyboard.press("Escape")
    expect(person.page.locator(".comment-sheet")).to_have_count(0)
    expect(person.comment("typed").locator("button.bubble")).to_be_focused()
    person.page.keyboard.press("l")
    expect(person.page.locator("#like-total")).to_have_text("1 likes")
    person.check_clean()


def focus_on(person: Person, wanted: Locator) -> None:
    """Press Tab until it has the focus."""
    for _ in range(30):
        person.page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("Tab does not get there")


def test_new_comments_wait_below_for_who_reads_older_ones(
    visit: Visit, shop: Shop, room: str
) -> None:
    reader = visit(f"/r/{room}")
    token = shop.token("h", role="host", rooms=[room], name="青岚")
    speaker = visit(f"/r/{room}#token={token}")
    reader.wait_connected()
    for number in range(14):
        speaker.say(f"第 {number} 句")
    stream = reader.page.locator("#stream")
    expect(reader.comment("第 13 句")).to_be_in_viewport()
    stream.evaluate("element => element.scrollTo(0, 0)")
    expect(reader.comment("第 13 句")).not_to_be_in_viewport()
    speaker.say("新的")
    pill = reader.page.locator("#newer")
    expect(pill).to_have_text("1 条新评论")
    expect(reader.comment("新的")).not_to_be_in_viewport()
    pill.click()
    expect(reader.comment("新的")).to_be_in_viewport()
    expect(pill).to_be_hidden()
    announcer = reader.page.locator("#announcer")
    expect(announcer).to_contain_text("青岚说：")


def test_the_stage_plays_what_the_browser_can_play_and_else_stays_dressed(
    visit: Visit, shop: Shop, room: str, clip_url: str
) -> None:
    person = visit(f"/r/{room}")
    person.wait_connected()
    video, curtain = person.page.locator("#video"), person.page.locator("#curtain")
    expect(curtain).to_be_visible()
    video.evaluate("video => { video.loop = true; }")  # it is a second long
    shop.change_room(room, stream_url=clip_url)
    expect(video).to_be_visible()
    expect(curtain).to_be_hidden()
    expect(person.page.locator("#unmute")).to_be_visible()
    person.page.wait_for_function("document.getElementById('video').currentTime > 0")
    person.page.locator("#unmute").click()
    assert video.evaluate("video => video.muted") is False
    person.check_clean()
    shop.change_room(room, stream_url=clip_url.replace("clip", "gone"))
    expect(curtain).to_be_visible()
    shop.change_room(room, stream_url=clip_url)
    expect(video).to_be_visible()
    shop.change_room(room, state="ended")
    expect(person.page.locator("#curtain-state")).to_have_text("直播已结束")
    expect(video).to_be_hidden()


@pytest.fixture
def clip_url(visit: Visit, tmp_path: Path) -> Iterator[str]:
    """A short video, recorded by the browser itself and served from another origin."""
    recorder = visit("/")
    clip = recorder.page.evaluate(
        """async () => {
          const canvas = document.createElement('canvas');
          const paint = canvas.getContext('2d');
          const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: 'video/webm' });
          const parts = [];
          recorder.ondataavailable = ({ data }) => parts.push(data);
          const whole = new Promise((done) => { recorder.onstop = done; });
          recorder.start();
          for (let frame = 0; frame < 45; frame += 1) {
            paint.fillStyle = `hsl(${frame * 8} 80% 50%)`;
            paint.fillRect(0, 0, 300, 150);
            await new Promise(requestAnimationFrame);
          }
          recorder.stop();
          await whole;
          return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
        }"""
    )
    (tmp_path / "clip.webm").write_bytes(bytes(clip))
    with another_site(tmp_path) as url:
        yield f"{url}/clip.webm"
