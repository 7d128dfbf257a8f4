"""Whatever a body holds, the API answers with a documented status in the documented shape."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.api import build_api
from server.api.models import ROOM, TEA
from server.api.order_models import PLACE
from server.api.sale_models import SALE_REQUEST
from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from server.payments.signature import HEADER, sign
from server.settings import Settings
from tests.support.api_parts import API_KEY, PAYMENT_SECRET, MemoryRealtime
from tests.support.api_stage import NOW_MS, opened_services, tell_nobody
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.redis_server import RedisServer

TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@dataclass(frozen=True)
class Api:
    """An API that lives as long as the module, on a loop of its own."""

    runner: asyncio.Runner
    client: AsgiClient
    document: dict[str, Any]

    def call(self, method: str, path: str, **body: Any) -> Any:
        return self.runner.run(self.client.call(method, path, **body))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Api]:
    url = sqlite_url(tmp_path_factory.mktemp("api") / "api.sqlite3")
    migrate(url)
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        client = runner.run(_open(url, redis_server.url, stack))
        document = runner.run(client.call("GET", "/openapi.json")).json
        api = Api(runner, client, document)
        yield api
        books = api.call("GET", f"/api/v1/sales/{SALE_REQUEST['id']}/books").json["redis"]
        assert all(item["balanced"] for item in books["items"]), books
        runner.run(stack.aclose())


async def _open(url: str, redis_url: str, stack: contextlib.AsyncExitStack) -> AsgiClient:
    """A shop whose names are those of the document's examples, with a sale that is open."""
    database = Database(url, threads_max=1, within_s=5)
    stack.push_async_callback(database.close)
    settings = Settings(
        api_key=API_KEY,
        token_secret="a secret that is long enough: 0123456789",
        guests_may_speak=True,
        payment_provider="webhook",
        payment_secret=PAYMENT_SECRET,
    )
    services = await stack.enter_async_context(
        opened_services(settings, database, redis_url, MemoryRealtime("demo"), tell_nobody)
    )
    client = AsgiClient(build_api(services), {"x-api-key": API_KEY})
    for path, body in (
        ("rooms", ROOM),
        ("products", TEA),
        ("sales", SALE_REQUEST),
        (f"sales/{SALE_REQUEST['id']}/arm", {}),
        (f"sales/{SALE_REQUEST['id']}/open", {}),
        ("orders", PLACE),
    ):
        answer = await client.call("POST", f"/api/v1/{path}", body)
        assert answer.status in {200, 201}, answer.body
    return client


@st.composite
def bodies(draw: st.DrawFn, example: dict[str, Any]) -> Any:
    """The documented example with some of its fields replaced, dropped or added to."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    body = dict(example)
    for name in draw(st.lists(st.sampled_from(sorted(example)), unique=True)):
        if draw(st.booleans()):
            body[name] = draw(JSON)
        else:
            del body[name]
    if draw(st.integers(0, 4)) == 0:
        body |= draw(st.dictionaries(TEXT, JSON, max_size=2))
    return body


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_body_gets_a_documented_answer(api: Api, data: st.DataObject) -> None:
    with_body = [
        (path, method, operation)
        for path, methods in api.document["paths"].items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]
    path, method, operation = data.draw(st.sampled_from(with_body))
    schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    name = schema.rpartition("/")[2]
    example = api.document["components"]["schemas"][name]["examples"][0]
    body = data.draw(bodies(example))
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace("{id}", parameter["schema"]["examples"][0])
    raw = json.dumps(body).encode()
    signature = sign(PAYMENT_SECRET, raw, NOW_MS // 1000)
    answer = api.call(method.upper(), path, raw=raw, headers={HEADER: signature})
    assert str(answer.status) in operation["responses"], answer.body
    if answer.status >= 400:
        check_error(answer, answer.status, answer.json["error"]["field"])


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=300))
def test_any_bytes_get_a_refusal_or_are_json(api: Api, raw: bytes) -> None:
    answer = api.call("POST", "/api/v1/rooms", raw=raw)
    check_error(answer, 400, answer.json["error"]["field"])


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="#?"), max_size=80))
def test_any_id_in_an_address_is_found_or_not(api: Api, text: str) -> None:
    for path in (
        f"/api/v1/rooms/{text}",
        f"/api/v1/products/{text}",
        f"/api/v1/rooms/{text}/acts",
        f"/api/v1/sales/{text}",
        f"/api/v1/sales/{text}/books",
        f"/api/v1/orders/{text}",
        f"/api/v1/orders/spring-sale.{text}",
    ):
        answer = api.call("GET", path)
        assert answer.status in {200, 400, 404, 405}
        if answer.status != 200:
            check_error(answer, answer.status, answer.json["error"]["field"])
