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


def test_pictures_of_a_lively_room(browser: Browser, visit: Visit, shop: Shop, room: str) -> None:
    """Screenshots for people to look at, kept with the run's artifacts, and README's picture."""
    phones = [visit(f"/r/{room}"), visit(f"/r/{room}", language="en-US")]
    host, pocket = host_of(visit, shop, room), host_of(visit, shop, room, screen=PHONE)
    for phone, (name, words) in zip(
        phones, [("林晓", "这个釉色太好看了！"), ("Emma", "Do you ship abroad?")], strict=True
    ):
        phone.wait_connected()
        phone.take_name(name, words)
    phones[0].say("能进洗碗机吗？")
    expect(host.comment("能进洗碗机吗？")).to_be_visible()
    host.comment("能进洗碗机吗？").locator(".act-reply").click()
    host.page.locator("#answer-text").fill("可以的，洗碗机、微波炉都没问题～")
    host.page.locator("#answer-send").click()
    phones[1].say("Love the glaze 😍")
    host.page.locator("#notice-text").fill("今晚 9 点开抢，全场包邮 · Free shipping tonight")
    host.page.locator("#notice-set").click()
    host.page.keyboard.press("Escape")
    host.page.locator("#pane-shelf-title").click()
    host.page.keyboard.press("1")
    for phone in phones:
        expect(phone.page.locator(".product-card")).to_be_visible()
        for _ in range(9):
            phone.page.locator("#like").click()
    expect(host.page.locator("#count-likes")).to_have_text("18")
    desk = visit(f"/r/{room}", screen=DESK)
    desk.wait_connected()
    expect(desk.comment("Love the glaze 😍")).to_be_visible()
    for person in (*phones, desk):
        expect(person.page.locator("#viewer-count")).to_have_text("5")
    phones[0].keep_picture("phone-zh")
    phones[1].keep_picture("phone-en")
    desk.keep_picture("desktop")
    host.keep_picture("host-desktop")
    pocket.keep_picture("host-phone")
    picture = compose_readme_picture(browser)
    if os.environ.get("ONAIR_UPDATE_SCREENSHOT") == "1":
        target = REPOSITORY / "docs" / "images" / "room.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    for person in (*phones, host, pocket, desk):
        person.check_clean()


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
