"""What tests of sharing in browsers stand on: campaigns, links, and what the merchant can read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Locator, expect

from tests.e2e.browser_support import Person, Shop, Visit
from tests.support.wait import wait_until_sync

# Everybody here comes from one network, with one browser.
NO_CLUSTERS = {
    "arrivals_per_net_max": 1_000,
    "arrivals_per_agent_max": 1_000,
    "own_browser_max": 1_000,
}
JUDGED_WITHIN_MS = 45_000  # a beat of the page, the settling time, and the keeper's turn
WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.47 Language/zh_CN"
)
# Quick to qualify and to judge, for a test; the rules are the ones of every ladder.
QUICK = {"stay_ms": 1_000, "settle_ms": 0, "first_action_after_ms": 0, **NO_CLUSTERS}


def member(visit: Visit, shop: Shop, path: str, name: str, **options: Any) -> Person:
    """Somebody with an account of the shop, at an address of it."""
    user = f"{name}-{path.rpartition('/')[2]}"[:64]
    person = visit(f"{path}#token={shop.token(user, name=name)}", **options)
    person.wait_connected()
    return person


def user_of(person: Person) -> str:
    """The id of whoever sits at this browser, as the merchant knows it."""
    kept: str = person.page.evaluate(
        """() => {
          const { token } = JSON.parse(localStorage.getItem('live.viewer'));
          const [, claims] = token.split('.');
          const bytes = Uint8Array.from(
            atob(claims.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));
          return JSON.parse(new TextDecoder().decode(bytes)).sub;
        }"""
    )
    return kept


def publish_ladder(shop: Shop, room: str, *tiers: dict[str, Any], **terms: Any) -> str:
    """The id of a ladder that runs in this room from now on."""
    body = {
        "room": room,
        "title": "春日邀请 Spring friends",
        "currency": "CNY",
        "budget_minor": 1_000_000,
        "ends_at_ms": int(time.time() * 1000) + 3_600_000,
        "tiers": tiers,
        "thresholds": QUICK,
        **terms,
    }
    ladder: str = shop.call("POST", "/api/v1/ladders", body)["id"]
    shop.call("POST", f"/api/v1/ladders/{ladder}/publish", {})
    return ladder


def grant_coupon(shop: Shop, batch: str, user: str, **terms: Any) -> None:
    """A coupon of a batch of its own for somebody."""
    body = {
        "id": batch,
        "title": "立减五元 ¥5 off",
        "kind": "amount",
        "currency": "CNY",
        "amount_minor": 500,
        "issue_max": 100,
        **terms,
    }
    shop.call("POST", "/api/v1/coupon-batches", body)
    grant = {"user": user, "request_id": "grant-1"}
    shop.call("POST", f"/api/v1/coupon-batches/{batch}/grant", grant)


def share_sheet(person: Person) -> Locator:
    """The sheet to share the room, with its link ready."""
    person.page.locator("#share").click()
    return ready_sheet(person)


def ready_sheet(person: Person) -> Locator:
    """The sheet to share something, once its link is there."""
    sheet = person.page.locator("dialog.share-sheet")
    expect(sheet).to_have_attribute("data-ready", "yes")
    return sheet


def link_in(sheet: Locator) -> str:
    """The path of the link that a sheet offers."""
    words = sheet.locator(".share-text").inner_text()
    path = words[words.index("/s/") :].split()[0]
    assert len(path) == len("/s/") + 16
    return path


def visits_of(shop: Shop, room: str, **query: str) -> list[dict[str, Any]]:
    """The visits of a room as the merchant reads them, newest first."""
    query = {"room": room, **query}
    visits: list[dict[str, Any]] = shop.call("GET", f"/api/v1/visits?{urlencode(query)}")["visits"]
    return visits


def wait_visit(
    shop: Shop, room: str, enough: Callable[[dict[str, Any]], bool], what: str, **query: str
) -> dict[str, Any]:
    """The only visit that the query finds, with its steps, once it is recorded so far."""
    found: list[dict[str, Any]] = []

    def recorded() -> bool:
        visits = visits_of(shop, room, **query)
        assert len(visits) <= 1
        found[:] = [shop.call("GET", f"/api/v1/visits/{visit['id']}") for visit in visits]
        return bool(found) and enough(found[0])

    wait_until_sync(recorded, 40, what)
    return found[0]


def steps_of(visit: dict[str, Any], *leave_out: str) -> list[tuple[str, dict[str, Any]]]:
    """What happened, in order, without what the clock brings by itself."""
    quiet = {"beat", "visible", "hidden", *leave_out}
    return [(step["t"], step["facts"]) for step in visit["steps"] if step["t"] not in quiet]


def bring_friends(visit: Visit, shop: Shop, room: str, path: str, count: int) -> None:
    """New people, each on a device of their own, come by a link, stay a moment and like."""
    come_by(visit, room, path, *(shop.token(f"friend-{n}-{room}"[:64]) for n in range(count)))


def come_by(visit: Visit, room: str, path: str, *tokens: str) -> None:
    """Whoever holds these tokens comes by a link, each on a new device, stays and likes."""
    stage = visit("/")
    stage.page.evaluate(ARRIVE, [list(tokens), room, path.removeprefix("/s/")])
    stage.leave()


# What a page tells of a visit, without the page: it stays as long as QUICK asks for.
ARRIVE = """async ([tokens, room, share]) => {
  const { LiveClient } = await import('/static/live-client.js');
  const address = `${location.origin.replace(/^http/, 'ws')}/connection/websocket`;
  const id = () => crypto.randomUUID().replaceAll('-', '');
  await Promise.all(tokens.map(async (token) => {
    const client = new LiveClient(address, { token });
    const subscription = client.subscribe(`room:${room}`);
    await new Promise((resolve) => { subscription.on('subscribed', resolve); client.connect(); });
    const { now_ms: start } = await client.rpc('time.now');
    const told = { room, visit: id(), device: id() };
    const first = [{ t: 'enter', at_ms: start, share }, { t: 'visible', at_ms: start }];
    await client.rpc('visit.track', { ...told, seq: 1, events: first });
    await client.rpc('like.add', { room, n: 1 });
    let now = start;
    while (now < start + 1_200) ({ now_ms: now } = await new Promise((resolve) =>
      setTimeout(() => resolve(client.rpc('time.now')), 200)));
    await client.rpc('visit.track', { ...told, seq: 2, events: [{ t: 'beat', at_ms: now }] });
    client.disconnect();
  }));
}"""
