"""What browser tests stand on: the demo server, somebody at a browser, a line that can be cut.

The fixtures that make them are in `tests.e2e.browser_fixtures`.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, ViewportSize, expect

from tests.support.live_server import LiveServer
from tests.support.processes import REPOSITORY
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import wait_until_sync

ARTIFACTS = REPOSITORY / ".artifacts" / "screenshots"
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}
WITHIN_MS = 15_000
TITLE = "周五手作专场 Friday crafts"
ROWS = "#stream > li:not(.pending)"
WORDS = ".text, .gone, .log-text"
Visit = Callable[..., "Person"]

expect.set_options(timeout=WITHIN_MS)


class Shop(LiveServer):
    """The demo server with a brand of its own, and what its owner does over HTTP."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            directory,
            ONAIR_BRAND_NAME="Qingshan",
            ONAIR_GUESTS_PER_ADDRESS_PER_MIN="1000",
        )

    def open_room(self, room: str, **changes: str) -> None:
        """A live room with the demo's products on its shelf."""
        self.call("POST", "/api/v1/rooms", {"id": room, "title": TITLE, "stream_url": ""})
        products = [one["id"] for one in self.products()]
        self.call("PUT", f"/api/v1/rooms/{room}/shelf", {"products": products})
        self.change_room(room, state="live", **changes)

    def change_room(self, room: str, **changes: str) -> None:
        """Change title, stream_url or state."""
        self.call("PATCH", f"/api/v1/rooms/{room}", changes)

    def products(self) -> list[dict[str, Any]]:
        """The demo's products in the order of its shelf."""
        shelf: list[dict[str, Any]] = self.call("GET", "/api/v1/rooms/demo/shelf")["products"]
        return shelf


class Person:
    """Somebody at a browser. `check_clean` fails if the page showed an error of any kind.

    Wants no motion unless told otherwise: without a graphics card, motion is most of the work.
    """

    def __init__(
        self,
        browser: Browser,
        address: str = "about:blank",
        *,
        language: str = "zh-CN",
        screen: ViewportSize = PHONE,
        **options: Any,
    ) -> None:
        is_phone = screen["width"] < 700
        self.context = browser.new_context(
            viewport=screen,
            locale=language,
            is_mobile=is_phone,
            has_touch=is_phone,
            device_scale_factor=2 if is_phone else 1,
            **{"reduced_motion": "reduce", **options},
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WITHIN_MS)
        self.problems: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.goto(address)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"{message.type}: {message.text}")

    def watch_connection(self) -> None:
        """From now on the page keeps every state of its connection, for `wait_was`."""
        self.page.evaluate(
            """() => {
              const root = document.documentElement;
              window.connectionWas = [];
              new MutationObserver(() => window.connectionWas.push(root.dataset.connection))
                .observe(root, { attributeFilter: ['data-connection'] });
            }"""
        )

    def wait_was(self, state: str) -> None:
        """Return once the connection has been in this state, be it for a moment."""
        was = f"window.connectionWas.includes('{state}')"
        wait_until_sync(lambda: self.page.evaluate(was), 30, f"the page was {state}")

    def wait_connection(self, state: str) -> None:
        """Return once the page's connection is in this state."""
        expect(self.page.locator("html")).to_have_attribute("data-connection", state)

    def wait_connected(self) -> None:
        """Return once the page is connected."""
        self.wait_connection("connected")

    def take_name(self, name: str, first_words: str) -> None:
        """Write a first comment as a guest and answer the question for a name."""
        self.say(first_words)
        self.page.locator("#name-text").fill(name)
        self.page.locator("#name-send").click()
        expect(self.comment(first_words)).to_be_visible()

    def say(self, words: str) -> None:
        """Write a comment and press send; it need not have arrived yet."""
        self.page.locator("#comment-text").fill(words)
        self.page.locator("#send").click()

    def comment(self, words: str) -> Locator:
        """The row of the stream with exactly these words, once the server has accepted it."""
        exactly = re.compile(f"^{re.escape(words)}$")
        text = self.page.locator(WORDS).filter(has_text=exactly)
        return self.page.locator(ROWS).filter(has=text)

    def expect_comments(self, *words: str) -> None:
        """Wait until the stream has exactly these comments, in this order, and none on its way."""
        expect(self.page.locator("#stream > .pending")).to_have_count(0)
        expect(self.page.locator(ROWS).locator(WORDS)).to_have_text(list(words))

    def keep_picture(self, name: str) -> Path:
        """A screenshot among the artifacts of the run."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def check_clean(self) -> None:
        """No error, no warning, no violation of the content security policy so far."""
        assert self.problems == []

    def leave(self) -> None:
        """Close the browser window."""
        self.context.close()


class Line:
    """The network between a browser and the server, as `TcpProxy`, for tests without a loop."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._proxy = TcpProxy(port)
        asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._proxy.port}"

    def _do(self, act: Callable[[], None]) -> None:
        async def acting() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acting(), self._loop).result(10)

    def cut(self) -> None:
        """Break every connection without a goodbye, and let no new one through."""
        self._do(self._proxy.go_down)

    def blink(self) -> None:
        """Break every connection; new ones are let through."""
        self._do(self._proxy.cut)

    def mend(self) -> None:
        """Let connections through again."""
        self._do(self._proxy.come_back)

    def close(self) -> None:
        """Stop relaying, and the thread with it."""
        asyncio.run_coroutine_threadsafe(
            self._proxy.__aexit__(None, None, None), self._loop
        ).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def another_site(folder: Path) -> Iterator[str]:
    """Serve a folder under an origin that is not the shop's; gives its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def host_of(visit: Visit, shop: Shop, room: str, role: str = "host", **options: Any) -> Person:
    """Staff in the console, signed in by a link."""
    token = shop.token(f"{role}-{room}", role=role, rooms=[room], name="青岚")
    person = visit(f"/host/{room}#token={token}", **{"screen": DESK, **options})
    person.wait_connected()
    return person
