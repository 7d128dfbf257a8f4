"""What tests of the desk's sharing stand on: people who invite, who come, stay and take part.

They come over the WebSocket as the pages do, each with a device of its own.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.e2e.browser_support import Person, Shop, Visit
from tests.support.wait import wait_until_sync

DAY_MS = 86_400_000
# Everybody of a test comes from one address with one browser, and nobody has a minute.
QUICK = {
    "stay_ms": 1_000,
    "actions": 1,
    "settle_ms": 0,
    "first_action_after_ms": 0,
    "persons_per_device_max": 1,
    "arrivals_per_net_max": 1_000,
    "arrivals_per_agent_max": 1_000,
    "own_browser_max": 1_000,
    "cluster_window_ms": 1_000,
}
JOIN = """async (token, room) => {
  const { LiveClient } = await import('/static/live-client.js');
  const address = `${location.origin.replace(/^http/, 'ws')}/connection/websocket`;
  const client = new LiveClient(address, { token });
  const joined = client.subscribe(`room:${room}`);
  await new Promise((resolve) => { joined.on('subscribed', resolve); client.connect(); });
  return client;
}"""
SHARE = f"""async ([token, asked]) => {{
  const client = await ({JOIN})(token, asked.room);
  const made = await client.rpc('share.create', asked);
  client.disconnect();
  return made;
}}"""
COME = f"""async ([token, room, visit, facts, stayMs, likes]) => {{
  const client = await ({JOIN})(token, room);
  const {{ now_ms: nowMs }} = await client.rpc('time.now', {{}});
  const ahead = nowMs - Date.now();
  const told = (t, more = {{}}) => ({{ t, at_ms: Date.now() + ahead, ...more }});
  let seq = 0;
  const track = (...events) => client.rpc('visit.track',
    {{ room, visit, seq: ++seq, device: visit.slice(6), events }});
  await track(told('enter', facts), told('visible'), told('card_open', {{ product: 'mug' }}));
  if (likes) await client.rpc('like.add', {{ room, n: likes }});
  await new Promise((resolve) => setTimeout(resolve, stayMs)); // somebody stays
  await track(told('beat'), told('leave'));
  client.disconnect();
}}"""

SPEND = f"""async ([token, room, asked]) => {{
  const client = await ({JOIN})(token, room);
  const {{ coupons }} = await client.rpc('coupon.list', {{}});
  const ids = coupons.map(({{ id }}) => id);
  const placed = await client.rpc('order.place', {{ ...asked, coupons: ids }});
  await client.rpc('order.pay', {{ order: placed.order.id }});
  client.disconnect();
  return placed.order;
}}"""


def spend(visit: Visit, shop: Shop, room: str, sale: str, user: str) -> str:
    """Somebody buys a white mug with all of their coupons and pays; the order's id."""
    asked = {"sale": sale, "sku": "desk-mug-white", "qty": 1, "request_id": uuid.uuid4().hex}
    order = visit("/").page.evaluate(SPEND, [shop.token(user), room, asked])
    name: str = order["id"]
    return name


def share(visit: Visit, shop: Shop, room: str, user: str, **asked: Any) -> str:
    """Somebody makes a link of the room; its code."""
    made = visit("/").page.evaluate(SHARE, [shop.token(user), {"room": room, **asked}])
    code: str = made["code"]
    return code


def come(
    visit: Visit,
    shop: Shop,
    room: str,
    user: str = "",
    *,
    stay_ms: int = 0,
    likes: int = 0,
    **facts: str,
) -> str:
    """Somebody opens the room, opens a product, and leaves after a while; the visit's id."""
    name = f"visit-{uuid.uuid4().hex[:20]}"
    token = shop.token(user) if user else ""
    visit("/").page.evaluate(COME, [token, room, name, facts, stay_ms, likes])
    return name


def publish_ladder(shop: Shop, room: str, tiers: list[dict[str, Any]], **changes: Any) -> str:
    """A ladder of the room whose arrivals are judged within seconds; its id."""
    name = f"ladder-{uuid.uuid4().hex[:10]}"
    now_ms = int(time.time() * 1000)
    body = {
        "id": name,
        "room": room,
        "title": "带朋友来 Bring friends",
        "currency": "CNY",
        "budget_minor": 1_000_000,
        "ends_at_ms": now_ms + DAY_MS,
        "tiers": tiers,
        "thresholds": QUICK,
        **changes,
    }
    shop.call("POST", "/api/v1/ladders", body)
    shop.call("POST", f"/api/v1/ladders/{name}/publish")
    return name


def until(shop: Shop, path: str, holds: Callable[[Any], bool], what: str) -> Any:
    """The API's answer once it holds; the keeper works by itself and takes a moment."""
    answers: list[Any] = []

    def asked() -> bool:
        answers.append(shop.call("GET", path))
        return holds(answers[-1])

    wait_until_sync(asked, 20, what)
    return answers[-1]


def fill(person: Person, field: str, text: str, inside: str = "#view") -> None:
    """Write into the field that the API calls so."""
    row = person.page.locator(inside).locator(f'[data-field="{field}"]')
    row.locator("input, textarea").first.fill(text)


def choose(person: Person, field: str, value: str, inside: str = "#view") -> None:
    """Choose in the field that the API calls so."""
    person.page.locator(inside).locator(f'[data-field="{field}"] select').select_option(value)
