"""Real servers, started by their real command, and clients of them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.live_server import LiveServer
from tests.support.sdk_client import GetToken, SdkClient
from tests.support.sdk_javascript import JavaScriptSdkClient
from tests.support.sdk_python import PythonSdkClient, python_sdk_has_ended
from tests.support.tcp_proxy import TcpProxy

StartServer = Callable[..., LiveServer]
OpenSdk = Callable[..., Awaitable[SdkClient]]


def keep_errors_of_failures(
    request: pytest.FixtureRequest, servers: list[LiveServer], failed_before: int
) -> None:
    """What servers said is kept in .artifacts/servers if a test failed while they ran."""
    if request.session.testsfailed == failed_before:
        return
    for number, server in enumerate(servers, start=1):
        name = "".join(c if c.isalnum() else "-" for c in request.node.name or "session")
        server.keep_errors(f"{name}-{number}")


@pytest.fixture(scope="session")
def live_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """`onair demo` for the whole run. Do not kill or stop this one; take a room of your own."""
    failed_before = request.session.testsfailed
    server = LiveServer(tmp_path_factory.mktemp("live"))
    try:
        server.start()
    except BaseException:
        server.keep_errors("session")
        server.end()
        raise
    yield server
    keep_errors_of_failures(request, [server], failed_before)
    server.end()


@pytest.fixture
def start_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartServer]:
    """Start servers of the test's own, each on its own data directory; they are stopped after it.

    `start_server(command="demo", **settings)`.
    """
    failed_before = request.session.testsfailed
    servers: list[LiveServer] = []
    numbers = itertools.count(1)

    def start(*, command: str = "demo", **settings: str) -> LiveServer:
        server = LiveServer(tmp_path / f"server-{next(numbers)}", command=command, **settings)
        servers.append(server)
        server.start()
        return server

    yield start
    keep_errors_of_failures(request, servers, failed_before)
    for server in servers:
        server.end()


@pytest.fixture
async def proxy(live_server: LiveServer) -> AsyncIterator[TcpProxy]:
    """A breakable network in front of `live_server`."""
    async with TcpProxy(live_server.port) as between:
        yield between


@pytest.fixture(params=["python", pytest.param("javascript", marks=pytest.mark.needs_node)])
async def open_sdk(request: pytest.FixtureRequest) -> AsyncIterator[OpenSdk]:
    """Make a client of each published SDK: `await open_sdk(url, token=..., get_token=...)`.

    It is not connected yet. All are closed after the test.
    """
    clients: list[SdkClient] = []

    async def open_one(
        url: str, *, token: str = "", get_token: GetToken | None = None
    ) -> SdkClient:
        client: SdkClient
        if request.param == "python":
            client = PythonSdkClient(url, token=token, get_token=get_token)
        else:
            client = await JavaScriptSdkClient.open(url, token=token, get_token=get_token)
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        await client.close()
    await python_sdk_has_ended()
