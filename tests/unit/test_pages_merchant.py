"""The merchant desk's page and files, read as text: headers, weight, modules, words."""

from __future__ import annotations

import re
from collections.abc import Iterable

import httpx
import pytest
from starlette.applications import Starlette

from flash_sale.pricing import CouponKind
from rooms.sharing.arrivals import Verdict
from rooms.sharing.ladders import GrantState, LadderState, RewardKind
from rooms.sharing.policy import default_policies
from rooms.sharing.visits import Seen, Told
from server.database.commission_records import EarningState
from server.database.source_records import By
from server.pages.assets import STATIC
from server.pages.routes import content_security_policy, page_routes
from server.pages.words import WORDS
from server.settings import Settings

PAGE = STATIC.parent / "templates" / "merchant.html"
SCRIPTS = sorted(STATIC.glob("merchant*.js"))
PAGE_BYTES_MAX = 100_000
# Each brings views that are fetched when somebody goes there.
LATER = ("merchant-sharing", "merchant-rehearsing")
LATER_BYTES_MAX = 50_000
KEY = r"(?:[a-z]+\.)+\w+"


def modules_of(first: str) -> set[str]:
    """The modules that this one needs at once, not those it fetches later."""
    used: set[str] = set()
    unread = [first]
    while unread:
        text = (STATIC / f"{unread.pop()}.js").read_text()
        new = set(re.findall(r"from '\./([\w-]+)\.js'", text)) - used
        used |= new
        unread += new
    return used


@pytest.fixture
async def client():
    app = httpx.ASGITransport(Starlette(routes=page_routes(Settings(brand_name="Kiln <Leaf>"))))
    async with httpx.AsyncClient(transport=app, base_url="http://shop.example:8000") as client:
        yield client


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_the_desk_is_a_page_under_the_strict_policy_in_both_languages(
    client: httpx.AsyncClient, language: str
) -> None:
    answer = await client.get("/merchant", headers={"accept-language": language})
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == content_security_policy("shop.example:8000")
    assert answer.headers["content-language"] == language
    assert f"<title>{WORDS[language]['merchant_title']} · Kiln &lt;Leaf&gt;</title>" in answer.text
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", answer.text)


async def test_the_desk_with_all_its_files_is_under_100_kb(client: httpx.AsyncClient) -> None:
    page = await client.get("/merchant")
    links = set(re.findall(r'(?:src|href)="(/[^"#]+)', page.text))
    files = [await client.get(link) for link in links]
    assert all(answer.status_code == 200 for answer in files)
    weight = len(page.content) + sum(int(answer.headers["content-length"]) for answer in files)
    assert weight < PAGE_BYTES_MAX


async def test_the_views_that_come_later_are_under_50_kb_together(
    client: httpx.AsyncClient,
) -> None:
    for first in LATER:
        later = {first} | modules_of(first) - modules_of("merchant")
        files = [await client.get(f"/static/{name}.js") for name in later]
        assert sum(int(answer.headers["content-length"]) for answer in files) < LATER_BYTES_MAX


async def test_neither_the_page_nor_a_file_of_the_desk_names_the_project(
    client: httpx.AsyncClient,
) -> None:
    texts = [(await client.get("/merchant")).text]
    texts += [path.read_text() for path in STATIC.glob("merchant*")]
    assert len(texts) > 15
    assert [text for text in texts if re.search(r"on-?air", text, re.I)] == []


def test_the_desk_preloads_exactly_the_modules_it_uses_at_once() -> None:
    used = modules_of("merchant")
    listed = re.search(r"for module in \[([^\]]+)\]", PAGE.read_text())
    assert listed
    assert sorted(re.findall(r"'([\w-]+)'", listed[1])) == sorted(used)
    fetched = re.findall(r"import\('\./([\w-]+)\.js'\)", (STATIC / "merchant.js").read_text())
    assert fetched == list(LATER)
    needed = used.union(*map(modules_of, LATER))
    assert {path.stem for path in SCRIPTS} == {"merchant", *LATER} | {
        name for name in needed if name.startswith("merchant-")
    }


def test_every_word_the_desk_says_exists_and_every_one_of_its_words_is_said() -> None:
    words = [path for path in SCRIPTS if path.stem.startswith("merchant-messages")]
    own = set(re.findall(rf"^  '({KEY})':", "".join(path.read_text() for path in words), re.M))
    shared = set(re.findall(rf"^  '({KEY})':", (STATIC / "messages-en.js").read_text(), re.M))
    scripts = "".join(path.read_text() for path in SCRIPTS if path not in words)
    named = set(re.findall(r'data-t(?:-label|-hint)?="([\w.]+)"', PAGE.read_text()))
    quoted = set(re.findall(rf"'({KEY})'", scripts))
    called = set(re.findall(rf"\bt\('({KEY})'", scripts))
    families = re.findall(r"\bt\(`([\w.]+)\$\{[^}]+\}([\w.]*)`", scripts)
    members = {
        (start, end): {key for key in own | shared if key.startswith(start) and key.endswith(end)}
        for start, end in families
    }
    assert len(own) > 100
    assert (named | called) - own - shared == set()
    assert all(members.values()), members
    assert own - named - quoted - set().union(*members.values()) == set()
    assert own & shared == set()


NAMED: dict[str, Iterable[str]] = {
    "merchant.channel": [policy.channel for policy in default_policies()],
    "merchant.verdict": Verdict,
    "merchant.reward": RewardKind,
    "merchant.grant": GrantState,
    "merchant.ladder.state": LadderState,
    "merchant.coupon.kind": CouponKind,
    "merchant.commission.state": EarningState,
    "merchant.source.by": By,
    "merchant.step": [*Told, *Seen],
}


@pytest.mark.parametrize("start", NAMED)
def test_everything_that_the_server_can_say_has_a_name_at_the_desk(start: str) -> None:
    words = "".join(path.read_text() for path in STATIC.glob("merchant-messages*.js"))
    named = set(re.findall(rf"^  '{re.escape(start)}\.(\w+)':", words, re.M))
    assert set(NAMED[start]) - named == set()
