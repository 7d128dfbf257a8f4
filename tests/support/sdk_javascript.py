"""The npm package `centrifuge`, as published, behind the names that tests use.

It runs in a Node.js process of its own, tests/e2e/sdk_js/driver.mjs, which is told what to do and
tells what happens in lines of JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from asyncio.subprocess import PIPE, Process
from typing import Any, Self

from tests.support.parts import SDK_JS
from tests.support.sdk_client import RECONNECT_DELAY_MS, GetToken, History, Journal, SdkRefused

_LINE_BYTES_MAX = 16 * 1024 * 1024


class JavaScriptSdkClient:
    """Implements `tests.support.sdk_client.SdkClient`. Make it with `open`."""

    def __init__(self, process: Process) -> None:
        self.journal = Journal()
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._get_token: dict[str, GetToken] = {}
        self._reading = asyncio.create_task(self._read(), name="JavaScript SDK")

    @classmethod
    async def open(cls, url: str, *, token: str = "", get_token: GetToken | None = None) -> Self:
        process = await asyncio.create_subprocess_exec(
            *("node", "driver.mjs"), cwd=SDK_JS, stdin=PIPE, stdout=PIPE, limit=_LINE_BYTES_MAX
        )
        client = cls(process)
        if get_token is not None:
            client._get_token[""] = get_token
        asks = get_token is not None
        await client._do("open", url=url, token=token, asks=asks, delays=RECONNECT_DELAY_MS)
        return client

    async def connect(self) -> None:
        await self._do("connect")

    async def disconnect(self) -> None:
        await self._do("disconnect")

    async def subscribe(
        self, channel: str, *, token: str = "", get_token: GetToken | None = None
    ) -> None:
        if get_token is not None:
            self._get_token[channel] = get_token
        asks = get_token is not None
        delays = RECONNECT_DELAY_MS
        await self._do("subscribe", channel=channel, token=token, asks=asks, delays=delays)

    async def unsubscribe(self, channel: str) -> None:
        await self._do("unsubscribe", channel=channel)

    async def rpc(self, method: str, data: Any) -> Any:
        return await self._do("rpc", method=method, data=data)

    async def rpc_batch(self, commands: list[tuple[str, Any]]) -> list[Any]:
        """Several calls that the SDK sends in one frame; their answers, in order."""
        batch = [{"method": method, "data": data} for method, data in commands]
        answers: list[Any] = await self._do("rpc_batch", commands=batch)
        return answers

    async def publish(self, channel: str, data: Any) -> None:
        await self._do("publish", channel=channel, data=data)

    async def history(
        self,
        channel: str,
        *,
        limit: int,
        since: tuple[int, str] | None = None,
        reverse: bool = False,
    ) -> History:
        position = None if since is None else {"offset": since[0], "epoch": since[1]}
        page = await self._do(
            "history", channel=channel, limit=limit, since=position, reverse=reverse
        )
        publications = [(one["offset"], one["data"]) for one in page["publications"]]
        return History(publications, page["offset"], page["epoch"])

    async def presence(self, channel: str) -> dict[str, dict[str, Any]]:
        clients = await self._do("presence", channel=channel)
        return {
            client_id: {"user": one["user"], "info": one.get("connInfo")}
            for client_id, one in clients.items()
        }

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        stats = await self._do("presence_stats", channel=channel)
        return stats["numClients"], stats["numUsers"]

    async def close(self) -> None:
        if self._process.returncode is None:
            await self._do("disconnect")
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._reading
        assert await self._process.wait() == 0

    async def _do(self, call: str, **arguments: Any) -> Any:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._write({"id": number, "do": call, **arguments})
        return await answer

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._take(json.loads(line))
        for answer in self._answers.values():
            answer.set_exception(AssertionError("the Node.js process has ended"))

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self.journal.add(**message["event"])
        elif "question" in message:
            token = self._get_token[message["of"]]()
            self._write({"answer": message["question"], "token": token})
        elif "refused" in message:
            self._answers.pop(message["id"]).set_exception(SdkRefused(**message["refused"]))
        else:
            self._answers.pop(message["id"]).set_result(message["result"])
