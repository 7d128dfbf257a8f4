"""The short way of `/api/publish` answers as the API does, whatever is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from server.api import Services
from server.api.at_once import PATH, PublishAtOnce
from tests.support.api_parts import API_KEY, MemoryRealtime
from tests.support.asgi_client import GONE, Answer, AsgiClient

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

GOOD = b'{"channel":"room:demo","data":{"t":"x"}}'


class BothWays:
    """The same request to the API alone and to the short way before it."""

    def __init__(self, api: FastAPI, services: Services, realtime: MemoryRealtime) -> None:
        self.api = api
        self.realtime = realtime
        self.long_ways = 0
        self.short = AsgiClient(PublishAtOnce(services, api, self._otherwise))
        self.long = AsgiClient(api)

    async def _otherwise(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.long_ways += 1
        await self.api(scope, receive, send)

    async def ask(self, method: str = "POST", *, may_raise: bool = False, **sent: Any) -> Answer:
        """The answer, which is the same both ways, as is what rooms were told."""
        answers, told = [], []
        for client in (self.short, self.long):
            self.realtime.sent.clear()
            for stream in self.realtime.streams.values():
                stream.clear()
            headers = {"x-api-key": API_KEY} | sent.get("headers", {})
            sent_so = sent | {"headers": headers, "may_raise": may_raise}
            answers.append(await client.call(method, PATH, **sent_so))
            told.append(list(self.realtime.sent))
        assert answers[0] == answers[1]
        assert told[0] == told[1]
        return answers[0]


@pytest.fixture
def both(key: AsgiClient, services: Services, realtime: MemoryRealtime) -> BothWays:
    assert isinstance(key.app, FastAPI)
    return BothWays(key.app, services, realtime)


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        b' {"data": null, "channel": " room:demo "}\n',
        b'{"channel":"room:two","data":[1,{"x":"\xe8\x8c\xb6"}],"lane":"state"}',
        b'{"channel":"room:two","data":"","lane":"pulse"}',
        b'{"channel":"room:demo","data":{"a":1,"a":2},"data":3}',
    ],
)
async def test_a_good_request_goes_the_short_way(both: BothWays, body: bytes) -> None:
    answer = await both.ask(raw=body)
    assert (answer.status, both.long_ways) == (200, 0)


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "Application/JSON; charset=utf-8"}, {"user-agent": "x", "accept": "*/*"}],
)
async def test_headers_that_change_nothing_change_nothing(
    both: BothWays, headers: dict[str, str]
) -> None:
    answer = await both.ask(raw=GOOD, headers=headers)
    assert (answer.status, both.long_ways) == (200, 0)


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (401, {"raw": GOOD, "headers": {"x-api-key": "another key"}}),
        (401, {"raw": GOOD, "headers": {"x-api-key": "\xe9"}}),
        (415, {"raw": GOOD, "headers": {"content-type": "text/plain"}}),
        (413, {"raw": GOOD, "headers": {"content-length": "999999999"}}),
        (200, {"raw": GOOD, "headers": {"content-length": "-1"}}),
        (400, {"raw": b""}),
        (400, {"raw": b"{"}),
        (400, {"raw": b"[]"}),
        (400, {"raw": b'"text"'}),
        (400, {"raw": b'{"channel":"room:demo","data":NaN}'}),
        (400, {"raw": b'{"channel":"room:demo","data":"\\ud800"}'}),
        (400, {"raw": b'{"channel":"room:demo"}'}),
        (400, {"raw": b'{"channel":7,"data":1}'}),
        (400, {"raw": b'{"channel":"room:demo","data":1,"lane":"slow"}'}),
        (400, {"raw": b'{"channel":"room:demo","data":1,"more":1}'}),
        (413, {"raw": b'{"channel":"room:demo","data":"%s"}' % (b"x" * 65_535)}),
        (400, {"raw": b'{"channel":"room:demo","data":%s}' % (b"[" * 400 + b"]" * 400)}),
        (405, {"method": "GET"}),
        (405, {"method": "DELETE"}),
    ],
)
async def test_every_refusal_is_that_of_the_api(
    both: BothWays, status: int, sent: dict[str, Any]
) -> None:
    answer = await both.ask(**sent)
    assert (answer.status, both.long_ways) == (status, 1)


@pytest.mark.parametrize(
    ("status", "chunks"), [(200, [GOOD[:9], GOOD[9:]]), (400, [GOOD[:9]]), (400, [GOOD, GONE])]
)
async def test_a_body_in_pieces_is_read_by_the_api(
    both: BothWays, status: int, chunks: Sequence[bytes]
) -> None:
    headers = {"content-type": "application/json"}
    answer = await both.ask(chunks=chunks, headers=headers)
    assert (answer.status, both.long_ways) == (status, 1)


async def test_what_goes_wrong_with_an_event_is_told_as_the_api_tells_it(both: BothWays) -> None:
    answer = await both.ask(raw=b'{"channel":"room:nobody","data":1}')
    assert (answer.status, both.long_ways) == (404, 0)
    both.realtime.down = True
    answer = await both.ask(raw=GOOD)
    assert (answer.status, both.long_ways) == (503, 0)
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_bug_is_answered_as_the_api_answers_it_and_told_to_the_log(
    both: BothWays, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def buggy(*_asked: Any) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(both.realtime, "publish", buggy)
    answer = await both.ask(raw=GOOD, may_raise=True)
    assert (answer.status, both.long_ways) == (500, 0)
    assert answer.json["error"]["message"] == "internal error"
    with pytest.raises(AssertionError, match="a bug"):
        await both.ask(raw=GOOD)
