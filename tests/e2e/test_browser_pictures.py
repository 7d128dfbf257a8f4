"""What the pages look like: screenshots for people, kept among the artifacts of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser_support import ARTIFACTS, DESK, PHONE, Person, Shop, Visit, host_of
from tests.support.processes import REPOSITORY

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]


CROWD = (
    ("阿哲", "已经回购第三次了，推荐！"),
    ("Emma", "Do you ship abroad?"),
    ("小满", "第一次来，杯子有几种颜色？"),
    ("Tom W.", "Love the glaze 😍"),
    ("栗子", "蜡烛的味道浓吗"),
)


def test_pictures_of_a_lively_room(browser: Browser, visit: Visit, shop: Shop, room: str) -> None:
    """Screenshots for people to look at, kept with the run's artifacts.

    With UPDATE_SCREENSHOT=1 also README's picture, docs/images/room.png.
    """
    phone = visit(f"/r/{room}", reduced_motion="no-preference")
    host, pocket = host_of(visit, shop, room), host_of(visit, shop, room, screen=PHONE)
    phone.wait_connected()
    phone.take_name("林晓", "这个釉色太好看了！")
    speak_up(visit, shop, room)
    present(host)
    english, desk = visit(f"/r/{room}", language="en-US"), visit(f"/r/{room}", screen=DESK)
    for person in (phone, english, desk):
        expect(person.page.locator(".product-card")).to_be_visible()
        expect(person.page.locator("#viewer-count")).to_have_text("5")
    english.keep_picture("phone-en")
    desk.keep_picture("desktop")
    pocket.keep_picture("host-phone")
    for count in range(1, 10):
        phone.page.locator("#like").click()
        expect(phone.page.locator("#like-total")).to_have_text(f"{count} 次点赞")
    phone.keep_picture("phone-zh")
    expect(host.page.locator("#count-likes")).to_have_text("9")
    host.keep_picture("host-desktop")
    picture = compose_readme_picture(browser)
    if os.environ.get("UPDATE_SCREENSHOT") == "1":
        target = REPOSITORY / "docs" / "images" / "room.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    for person in (phone, english, host, pocket, desk):
        person.check_clean()


def speak_up(visit: Visit, shop: Shop, room: str) -> None:
    """A few people come by, say something each, and go."""
    for number, (name, words) in enumerate(CROWD):
        person = visit(f"/r/{room}#token={shop.token(f'crowd-{number}', name=name)}")
        person.say(words)
        expect(person.comment(words)).to_be_visible()
        person.leave()


def present(host: Person) -> None:
    """The host answers, pins the answer, puts up a notice and shows the first product."""
    question = "小满：第一次来，杯子有几种颜色？"
    host.comment(question.partition("：")[2]).locator(".act-reply").click()
    answer = "两种：白色和青色，都能进洗碗机～"
    host.page.locator("#answer-text").fill(answer)
    host.page.locator("#answer-send").click()
    expect(host.comment(answer).locator(".quote")).to_have_text(question)
    host.comment(answer).locator(".act-pin").click()
    expect(host.page.locator("#pinned-comment")).to_contain_text(answer)
    host.page.locator("#notice-text").fill("今晚 9 点开抢，全场包邮")
    host.page.locator("#notice-set").click()
    host.page.locator("#pane-shelf-title").click()
    host.page.keyboard.press("1")
    expect(host.page.locator(".tile.pinned")).to_have_count(1)


def compose_readme_picture(browser: Browser) -> Path:
    """The host's desk with a phone before it, as one picture."""
    composer = Person(browser, screen={"width": 1500, "height": 900})
    composer.page.set_content(
        """<style>body{margin:0;background:linear-gradient(135deg,#eef0f4,#dfe3ea);height:900px;
        position:relative;overflow:hidden}img{position:absolute;display:block}
        .desk{left:56px;top:64px;width:1232px;border-radius:18px;
        box-shadow:0 24px 70px rgba(20,24,34,.28)}.phone{right:64px;top:96px;width:342px;
        border-radius:38px;border:9px solid #12141a;box-shadow:0 30px 80px rgba(20,24,34,.45)}
        </style><img class="desk"><img class="phone">"""
    )
    for name, source in (("desk", "host-desktop"), ("phone", "phone-zh")):
        data = (ARTIFACTS / f"{source}.png").read_bytes()
        composer.page.evaluate(
            """async ([name, bytes]) => {
              const image = document.querySelector('.' + name);
              const blob = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
              image.src = URL.createObjectURL(blob);
              await image.decode();
            }""",
            [name, list(data)],
        )
    picture = composer.keep_picture("room")
    composer.leave()
    return picture
