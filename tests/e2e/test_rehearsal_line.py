"""A connection of the rehearsal's crowd, which runs on gevent in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.support.processes import REPOSITORY

WITHIN_S = 60.0

Server = Callable[[ServerConnection], Awaitable[None]]


def opened(**subscribed: Any) -> str:
    joined = {"epoch": "e", "offset": 5, "data": {}} | subscribed
    return f'{{"id":1,"connect":{{"ping":25}}}}\n{json.dumps({"id": 2, "subscribe": joined})}'


def event(number: int, offset: int) -> str:
    push = {"channel": "room:r", "pub": {"data": {"n": number}, "offset": offset}}
    return json.dumps({"push": push})


async def reply(connection: ServerConnection, text: str, answer: str) -> None:
    number = json.loads(text)["id"]
    await connection.send(f'{{"id":{number},"rpc":{{"data":{{"a":"{answer}"}}}}}}')


async def said_by_line(
    handler: Server, answer_handshake: Callable[[], Response | None] = lambda: None
) -> list[list[Any]]:
    def process(_connection: ServerConnection, _request: Request) -> Response | None:
        return answer_handshake()

    async with serve(handler, "127.0.0.1", 0, process_request=process) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        line = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.gevent_line", f"ws://127.0.0.1:{port}/"),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            output, _ = await asyncio.wait_for(line.communicate(), WITHIN_S)
        finally:
            if line.returncode is None:
                line.kill()
                await line.wait()
    return [json.loads(text) for text in output.splitlines()]


async def test_it_joins_answers_pings_and_tells_events_and_answers_apart() -> None:
    openings: list[Any] = []
    pongs: list[str | bytes] = []

    async def room(connection: ServerConnection) -> None:
        openings.extend(map(json.loads, str(await connection.recv()).splitlines()))
        await connection.send(opened())
        question = str(await connection.recv())
        await connection.send(f"{event(1, 6)}\n{{}}\n{event(2, 7)}")
        pongs.append(await connection.recv())
        await reply(connection, question, "done")
        await connection.wait_closed()

    said = await said_by_line(room)
    assert openings == [
        {"id": 1, "connect": {"token": "a token"}},
        {"id": 2, "subscribe": {"channel": "room:r"}},
    ]
    assert pongs == ["{}"]
    assert [words[:3] for words in said] == [
        ["connect", "ok"], ["event", 1], ["event", 2], ["answer", 0, "done"], ["sockets", 0],
    ]  # fmt: skip


async def test_after_a_loss_it_comes_back_to_where_it_was_and_late_news_are_not_told_as_fresh() -> (
    None
):
    subscribed: list[Any] = []

    async def room(connection: ServerConnection) -> None:
        lines = str(await connection.recv()).splitlines()
        subscribed.append(json.loads(lines[1])["subscribe"])
        if len(subscribed) == 1:
            await connection.send(f"{opened()}\n{event(1, 6)}")
            await connection.recv()
            await connection.close(3001, "shutdown")
            return
        missed = [{"data": {"n": 2}, "offset": 7}, {"data": {"n": 3}, "offset": 8}]
        if len(subscribed) == 2:
            await connection.send(opened(recovered=True, offset=6, publications=missed))
            await connection.recv()  # so that it knows that it was let in
            await connection.close(3011, "force reconnect")
            return
        await connection.send(opened(recovered=True, offset=8))
        await reply(connection, str(await connection.recv()), "done")
        await connection.wait_closed()

    said = await said_by_line(room)
    assert subscribed == [
        {"channel": "room:r"},
        {"channel": "room:r", "recover": True, "offset": 6, "epoch": "e"},
        {"channel": "room:r", "recover": True, "offset": 8, "epoch": "e"},
    ]
    assert [words for words in said if words[0] == "event"] == [["event", 1]]
    assert [words for words in said if words[0] == "reconnect"] == [["reconnect", "ok"]] * 2
    assert said[-1] == ["sockets", 0]


async def test_where_nothing_at_all_is_heard_any_more_it_takes_a_new_connection() -> None:
    connections = 0

    async def room(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.recv()
        await connection.send(opened())
        question = str(await connection.recv())
        if connections > 1:
            await reply(connection, question, "done")
        await connection.wait_closed()

    said = await said_by_line(room)
    assert connections == 2
    assert ["no answer"] in said
    assert ["reconnect", "ok"] in said


async def test_who_is_told_to_stay_away_does_not_come_back() -> None:
    connections = 0

    async def room(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.recv()
        await connection.close(3500, "invalid token")

    said = await said_by_line(room)
    assert connections == 1
    assert said == [["connect", "error 3500"], ["no answer"], ["sockets", 0]]


async def test_who_is_not_let_in_for_now_tries_again() -> None:
    refusals = iter((True, True))

    def refuse() -> Response | None:
        if not next(refusals, False):
            return None
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return Response(status.value, status.phrase, Headers({"Content-Length": "0"}), b"")

    async def room(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(opened())
        await reply(connection, str(await connection.recv()), "done")
        await connection.wait_closed()

    said = await said_by_line(room, refuse)
    connects = [words for words in said if words[0] == "connect"]
    assert connects == [["connect", "error 503"]] * 2 + [["connect", "ok"]]
