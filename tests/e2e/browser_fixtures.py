"""Fixtures of the browser tests: a pytest plugin that each of their files names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browser_support import Line, Person, Shop, Visit
from tests.support.parts import chromium_path


@pytest.fixture(scope="session")
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """`onair demo` under another brand, for all browser tests; take a room of your own."""
    failed_before = request.session.testsfailed
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        shop.start()
        yield shop
    finally:
        if request.session.testsfailed != failed_before:
            shop.keep_errors("browser")
        shop.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium, one for each file: its loop must not stand in other files' way."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, shop: Shop) -> Iterator[Visit]:
    """Open a page of the shop; whoever came leaves when the test is over."""
    people: list[Person] = []

    def come(path: str, *, by: str = "", **options: Any) -> Person:
        person = Person(browser, (by or shop.base_url) + path, **options)
        people.append(person)
        return person

    yield come
    for person in people:
        person.leave()


@pytest.fixture
def room(shop: Shop, request: pytest.FixtureRequest) -> str:
    """A live room of its own for each test, with the demo's products on its shelf."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:60].strip("-")
    shop.open_room(name)
    return name


@pytest.fixture
def line(shop: Shop) -> Iterator[Line]:
    """A network of the test's own in front of the shop."""
    line = Line(shop.port)
    with contextlib.closing(line):
        yield line
