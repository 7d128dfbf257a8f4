"""Whatever a body holds, the API answers with a documented status in the documented shape."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.api import Services, build_api
from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from server.database.records import CatalogRecords, RoomRecords
from server.settings import Settings
from server.tokens import Tokens
from tests.support.api_parts import API_KEY, MemoryRealtime, StoredActs
from tests.support.asgi_client import AsgiClient, check_error

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
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    url = sqlite_url(tmp_path_factory.mktemp("api") / "api.sqlite3")
    migrate(url)
    with asyncio.Runner() as runner:
        database, client = runner.run(_open(url))
        document = runner.run(client.call("GET", "/openapi.json")).json
        yield Api(runner, client, document)
        runner.run(database.close())


async def _open(url: str) -> tuple[Database, AsgiClient]:
    database = Database(url, threads_max=1, within_s=5)
    rooms = RoomRecords(database)
    services = Services(
        settings=Settings(api_key=API_KEY, guests_may_speak=True, data_dir=Path("unused")),
        database=database,
        rooms=rooms,
        catalog=CatalogRecords(database),
        tokens=Tokens("a secret that is long enough: 0123456789"),
        realtime=MemoryRealtime("demo"),
        acts=StoredActs(rooms),
        now_ms=lambda: 1_800_000_000_000,
    )
    await rooms.create("demo", "Demo", "")
    return database, AsgiClient(build_api(services), {"x-api-key": API_KEY})


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
        if "requestBody" in operation
    ]
    path, method, operation = data.draw(st.sampled_from(with_body))
    schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    name = schema.rpartition("/")[2]
    example = api.document["components"]["schemas"][name]["examples"][0]
    body = data.draw(bodies(example))
    answer = api.call(method.upper(), path.replace("{id}", "demo"), body=body)
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
    for path in (f"/api/v1/rooms/{text}", f"/api/v1/products/{text}", f"/api/v1/rooms/{text}/acts"):
        answer = api.call("GET", path)
        assert answer.status in {200, 400, 404, 405}
        if answer.status != 200:
            check_error(answer, answer.status, answer.json["error"]["field"])
