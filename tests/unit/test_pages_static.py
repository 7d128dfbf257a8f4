"""The files of the pages, read as text: what must never be in them, and what must be."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from server.pages.assets import STATIC, Assets
from server.pages.routes import page_routes
from server.settings import Settings

TEMPLATES = STATIC.parent / "templates"
SCRIPTS = sorted(STATIC.glob("*.js"))
PAGE_BYTES_MAX = 100_000
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
    r"|createContextualFragment|DOMParser|setHTML|setTimeout\(\s*['\"`]|javascript:"
)


def names_of(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def serve() -> httpx.AsyncClient:
    app = httpx.ASGITransport(Starlette(routes=page_routes(Settings())))
    return httpx.AsyncClient(transport=app, base_url="http://shop.example")


async def weight_of_page(path: str) -> int:
    """Bytes on the wire for a page with its scripts, styles and icons, as a browser gets them."""
    async with serve() as client:
        page = await client.get(path)
        links = set(re.findall(r'(?:src|href)="(/[^"#]+)', page.text))
        files = [await client.get(link) for link in links]
    assert all(answer.status_code == 200 for answer in files)
    return len(page.content) + sum(int(answer.headers["content-length"]) for answer in files)


@pytest.mark.parametrize("path", SCRIPTS, ids=names_of(SCRIPTS))
def test_no_script_makes_markup_or_code_from_text(path: Path) -> None:
    assert SINKS.findall(path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=names_of(SCRIPTS))
def test_no_script_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


async def test_nothing_that_is_served_names_the_project() -> None:
    project = re.compile(rb"on-?air", re.I)
    for name, asset in Assets().files.items():
        assert not project.search(asset.body), name
    async with serve() as client:
        for page in ("/", "/r/demo", "/host/demo", "/r/no.such", "/theme.css"):
            answer = await client.get(page)
            assert not project.search(answer.content), page
            assert not project.search(str(answer.headers).encode()), page


def test_nothing_is_loaded_from_elsewhere() -> None:
    namespaces = {"http://www.w3.org/2000/svg"}
    for name, asset in Assets().files.items():
        found = set(re.findall(r"https?://[\w./-]+", asset.body.decode())) - namespaces
        assert all("example" in address for address in found), (name, found)


@pytest.mark.parametrize("page", ["/r/demo", "/host/demo"])
async def test_a_page_with_all_its_files_is_under_100_kb(page: str) -> None:
    assert await weight_of_page(page) < PAGE_BYTES_MAX


def modules_of(name: str) -> set[str]:
    """A module and all that it imports, and what they import."""
    used = {name}
    unread = [name]
    while unread:
        text = (STATIC / f"{unread.pop()}.js").read_text()
        new = set(re.findall(r"from '\./([\w-]+)\.js'", text)) - used
        used |= new
        unread += new
    return used


async def test_what_sharing_adds_when_it_is_asked_for_is_under_25_kb() -> None:
    later = modules_of("share-sheets") - modules_of("viewer")
    assert {"share-messages", "reward-sheet", "share-poster"} <= later
    names = [*(f"{module}.js" for module in sorted(later)), "share-sheets.css"]
    async with serve() as client:
        files = [await client.get(f"/static/{name}") for name in names]
    assert all(answer.status_code == 200 for answer in files)
    assert sum(int(answer.headers["content-length"]) for answer in files) < 25_000


@pytest.mark.parametrize("page", ["viewer", "host"])
def test_a_page_preloads_exactly_the_modules_it_uses(page: str) -> None:
    used = modules_of(page) - {page}
    listed = re.search(r"for module in \[([^\]]+)\]", (TEMPLATES / f"{page}.html").read_text())
    assert listed
    preloaded = re.findall(r"'([\w-]+)'", listed[1])
    assert sorted(preloaded) == sorted(used)


def of_the_room(path: Path) -> bool:
    """The merchant's desk has words of its own, and tests of its own for them."""
    return not path.name.startswith(("merchant", "messages", "share-messages"))


def test_every_message_that_is_used_exists_and_every_message_is_used() -> None:
    own = [(STATIC / name).read_text() for name in ("messages-en.js", "share-messages.js")]
    listed = [key for text in own for key in re.findall(r"^  '([\w.]+)':", text, re.M)]
    keys = set(listed)
    assert len(keys) == len(listed)
    scripts = "".join(path.read_text() for path in SCRIPTS if of_the_room(path))
    pages = filter(of_the_room, TEMPLATES.glob("*.html"))
    templates = "".join(path.read_text() for path in pages)
    named = set(re.findall(r"data-t(?:-label|-hint)?=\"([\w.]+)\"", templates))
    # Any quoted text that looks like a key counts as a use: keys also stand in tables.
    quoted = set(re.findall(r"'([a-z]+(?:\.\w+)+)'", scripts))
    called = set(re.findall(r"\bt\('([\w.]+)'", scripts))
    families = re.findall(r"\bt\(`([\w.]+)\$\{[^}]+\}([\w.]*)`", scripts)
    family_keys = {
        key
        for start, end in families
        for key in keys
        if key.startswith(start) and key.endswith(end)
    }
    assert len(keys) > 100
    assert (named | called) - keys == set()
    assert all(
        any(key.startswith(start) and key.endswith(end) for key in keys) for start, end in families
    )
    assert keys - (named | called | quoted | family_keys) == set()


def test_every_icon_that_is_used_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text()))
    scripts = "".join(path.read_text() for path in SCRIPTS)
    templates = "".join(path.read_text() for path in TEMPLATES.glob("*.html"))
    used = set(re.findall(r"\bicon\('([\w-]+)'\)", scripts + templates))
    used |= set(re.findall(r"icon: '([\w-]+)'", scripts))
    used |= set(re.findall(r"say\('\w+', '([\w-]+)'", scripts))
    used |= set(re.findall(r"tool\('\w+', '([\w-]+)'", scripts))
    conditional = re.findall(r"\? '([\w-]+)' : '([\w-]+)'", scripts)
    used |= {name for pair in conditional for name in pair} & sprite
    assert used - sprite == set()
    assert sprite - used == set()


def test_every_element_that_a_script_asks_for_is_in_a_template() -> None:
    templates = "".join(path.read_text() for path in TEMPLATES.glob("*.html"))
    ids = set(re.findall(r'\sid="([\w-]+)"', templates))
    scripts = "".join(path.read_text() for path in SCRIPTS)
    assert set(re.findall(r"byId\('([\w-]+)'\)", scripts)) - ids == set()


def test_the_client_module_stands_alone() -> None:
    """Integrators copy these two files; they must need nothing else of the pages."""
    for name in ("live-client.js", "live-subscription.js"):
        text = (STATIC / name).read_text()
        imported = set(re.findall(r"from '([^']+)'", text))
        assert imported <= {"./live-subscription.js"}
        assert not re.search(r"\b(document|window|location|localStorage)\b\.", text)
