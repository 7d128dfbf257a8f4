"""The commands of the contract, run as their user runs them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.conftest import StartServer
from tests.support.live_server import LiveServer
from tests.support.parts import MAY_NOT_INSTALL
from tests.support.processes import REPOSITORY, below, is_running
from tests.support.wait import wait_until_sync
from tests.support.ws_client import WireClient

ONAIR = Path(sys.executable).with_name("onair")
SUBCOMMANDS = ("serve", "demo", "token", "key")
INSTALLED_WITHIN_S = 600


def run(*command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def processes_of(data_dir: Path) -> list[str]:
    """The command lines of all running processes that name the data directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(data_dir) in line and is_running(process.pid):
            found.append(line)
    return found


async def comments_of(url: str, room: str) -> list[str]:
    """The comments that somebody sees who comes into the room now."""
    client, picture = await WireClient.join(url, f"room:{room}")
    async with client:
        return [comment["text"] for comment in picture["data"]["comments"]]


async def say(server: LiveServer, text: str) -> None:
    client, _ = await WireClient.join(server.ws_url, "room:demo", server.token("alice"))
    async with client:
        await client.rpc("comment.send", {"room": "demo", "text": text})


# what they say of themselves


@pytest.mark.parametrize("command", [["make"], ["make", "help"]])
def test_make_lists_its_targets_with_a_line_each(command: list[str]) -> None:
    done = run(*command)
    assert done.returncode == 0
    for target in ("run", "test", "check", "bench", "test-fault"):
        assert re.search(rf"^ *make {target} +\w+", done.stdout, re.MULTILINE), done.stdout


def test_the_console_script_lists_its_commands() -> None:
    done = run(ONAIR, "--help")
    assert done.returncode == 0
    for command in SUBCOMMANDS:
        assert re.search(rf"^ +{command} +\w+", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    done = run(ONAIR, command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: onair {command}")
    assert "ONAIR_DATA_DIR" in done.stdout


def test_key_prints_the_key_that_the_running_server_takes(start_server: StartServer) -> None:
    server = start_server()
    del server.settings["ONAIR_API_KEY"]
    server.stop()
    server.start()  # now with a key of its own making
    printed = server.cli("key")
    assert printed.stdout.count("\n") == 1, printed.stderr
    rooms = server.call("GET", "/api/v1/rooms", key=printed.stdout.strip())
    assert [room["id"] for room in rooms["rooms"]] == ["demo"]


# start and stop


def test_demo_prints_one_ready_line_and_then_the_links(live_server: LiveServer) -> None:
    lines = live_server.program.output.splitlines()
    assert lines[0] == f"onair ready {live_server.base_url}"
    assert live_server.program.output.count("onair ready") == 1
    links = re.findall(r"http://\S+", "\n".join(lines[1:]))
    paths = [link.partition("#")[0].removeprefix(live_server.base_url) for link in links]
    assert paths == ["/r/demo", "/host/demo", "/merchant", "/docs"]
    for link in links:
        with urllib.request.urlopen(link.partition("#")[0], timeout=20) as response:
            assert response.status == 200
            assert response.headers.get_content_type() == "text/html"


async def test_the_host_link_of_the_demo_lets_its_holder_pin_products(
    live_server: LiveServer,
) -> None:
    (token,) = re.findall(r"/host/demo#token=(\S+)", live_server.program.output)
    client, picture = await WireClient.join(live_server.ws_url, "room:demo", token)
    async with client:
        shelf = picture["data"]["shelf"]
        assert len(shelf) == 4
        await client.rpc("product.pin", {"room": "demo", "product": shelf[2]["id"]})
        pinned = await client.event("room:demo", lambda e: e["t"] == "product.pinned", "a pin")
        assert pinned["product"] == shelf[2]
        await client.rpc("product.pin", {"room": "demo", "product": None})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_comment_survives_a_stop_and_nothing_is_left_running(
    start_server: StartServer, number: signal.Signals
) -> None:
    server = start_server()
    await say(server, "will you remember me?")
    everything = below(server.program.pid)
    assert len(everything) >= 2  # a worker and Redis at least
    assert await asyncio.to_thread(server.stop, number) == 0
    assert [pid for pid in everything if is_running(pid)] == []
    assert processes_of(server.data_dir) == []
    await asyncio.to_thread(server.start)
    assert await comments_of(server.ws_url, "demo") == ["will you remember me?"]


async def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(
    start_server: StartServer,
) -> None:
    server = start_server()
    second = await asyncio.to_thread(run, ONAIR, "demo", **server.settings, ONAIR_PORT="0")
    assert second.returncode == 1
    assert "onair ready" not in second.stdout
    (line,) = second.stderr.splitlines()
    assert line.startswith("onair: ONAIR_DATA_DIR: ")
    assert str(server.program.pid) in line
    await say(server, "still here")
    assert await comments_of(server.ws_url, "demo") == ["still here"]


def test_serve_refuses_to_start_without_secrets(data_dir: Path) -> None:
    done = run(ONAIR, "serve", ONAIR_DATA_DIR=str(data_dir), ONAIR_PORT="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("onair: ONAIR_TOKEN_SECRET: ")
    assert processes_of(data_dir) == []


def test_serve_refuses_a_weak_secret(data_dir: Path) -> None:
    weak = {"ONAIR_TOKEN_SECRET": "x" * 64, "ONAIR_API_KEY": "0123456789" * 4}
    done = run(ONAIR, "serve", ONAIR_DATA_DIR=str(data_dir), ONAIR_PORT="0", **weak)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("onair: ONAIR_TOKEN_SECRET: is weak")


async def test_serve_with_secrets_starts_an_empty_shop(start_server: StartServer) -> None:
    server = start_server(command="serve")
    assert server.program.output == f"onair ready {server.base_url}\n"
    assert server.call("GET", "/api/v1/rooms")["rooms"] == []
    room = await server.new_room()
    assert await comments_of(server.ws_url, room) == []


# from a fresh clone


class FreshClone:
    """A clone of the newest commit with nothing prepared in it, and `make run` in that."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "onair"
        self.log = directory / "make-run.log"
        self.make: subprocess.Popen[bytes] | None = None
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, self.directory], check=True)

    def make_run(self) -> str:
        """Start it and return the base URL, once it is printed."""
        command = ["make", "run", f"PYTHON={sys.executable}"]
        with self.log.open("wb") as log:
            self.make = subprocess.Popen(
                command,
                cwd=self.directory,
                env={**os.environ, "ONAIR_PORT": "0"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        make = self.make
        wait_until_sync(
            lambda: self._base_urls() or make.poll() is not None,
            INSTALLED_WITHIN_S,
            "make run says that the server is ready",
        )
        assert self._base_urls(), self.log.read_text()
        return self._base_urls()[0]

    def _base_urls(self) -> list[str]:
        return re.findall(r"^onair ready (http://\S+)$", self.log.read_text(), re.MULTILINE)

    def press_ctrl_c(self) -> None:
        """What a terminal does: SIGINT to everything in the foreground."""
        assert self.make is not None
        everything = [self.make.pid, *below(self.make.pid)]
        os.killpg(self.make.pid, signal.SIGINT)
        self.make.wait(60)
        wait_until_sync(lambda: not any(map(is_running, everything)), 30, "all of it has ended")


@pytest.fixture
def fresh_clone(tmp_path: Path) -> Iterator[FreshClone]:
    if MAY_NOT_INSTALL:
        pytest.skip("nothing may be installed")
    if not (REPOSITORY / ".git").exists():
        pytest.skip("these files are not a clone themselves")
    clone = FreshClone(tmp_path)
    yield clone
    if clone.make is not None and clone.make.poll() is None:
        clone.press_ctrl_c()


async def test_a_fresh_clone_becomes_a_live_room_with_one_command(fresh_clone: FreshClone) -> None:
    """Only Python is used: everything else is installed by the command, in the clone."""
    url = await asyncio.to_thread(fresh_clone.make_run)
    for path in ("/r/demo", "/host/demo", "/docs"):
        assert b"</html>" in await asyncio.to_thread(fetch, url + path)
    guest = json.loads(await asyncio.to_thread(fetch, f"{url}/api/v1/guests", {"name": "Ann"}))
    ws_url = f"{url.replace('http', 'ws')}/connection/websocket"
    client, _ = await WireClient.join(ws_url, "room:demo", guest["token"])
    async with client:
        await client.rpc("comment.send", {"room": "demo", "text": "hello from a clone"})
    await asyncio.to_thread(fresh_clone.press_ctrl_c)

    url = await asyncio.to_thread(fresh_clone.make_run)
    ws_url = f"{url.replace('http', 'ws')}/connection/websocket"
    assert await comments_of(ws_url, "demo") == ["hello from a clone"]
    await asyncio.to_thread(fresh_clone.press_ctrl_c)


def fetch(url: str, body: dict[str, Any] | None = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return bytes(response.read())
