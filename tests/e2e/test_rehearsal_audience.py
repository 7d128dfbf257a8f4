"""The silent audience of a rehearsal, one process of it, in front of the real server."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtest.rehearsal.plan import Generator, Item, Phases, Plan, Promise
from loadtest.rehearsal.records import (
    Brief,
    Pulse,
    Sample,
    read_lines,
    read_samples,
    write_json,
)
from tests.e2e.conftest import StartServer
from tests.support.live_server import LiveServer
from tests.support.processes import Program
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

VIEWERS = 400
WITNESSES = 20
WITHIN_S = 60.0
MANY = {  # everybody comes from one address here
    "ONAIR_ACCEPTS_PER_ADDRESS_PER_S": "3000",
    "ONAIR_CHAT_PER_S": "10000",
    "ONAIR_CHAT_BURST": "10000",
}


class Playing:
    """One audience process with a directory of its own. `port` is where it believes the shop is."""

    def __init__(self, server: LiveServer, directory: Path, room: str, port: int = 0) -> None:
        self.directory = directory / "run"
        self.directory.mkdir()
        self._home = directory
        plan = Plan(
            title="A test's big day",
            items=(Item("mug", "Mug", 10, 100),),
            promise=Promise(viewers=VIEWERS, arrive_s=1),
            phases=Phases(warm_s=1),
            generator=Generator(witnesses=WITNESSES, connect_per_s=1_000),
        )
        address = f"127.0.0.1:{port or server.port}"
        brief = Brief(
            run="rh-test",
            base_url=f"http://{address}",
            websocket_url=f"ws://{address}/connection/websocket",
            key="",
            room=room,
            sale="",
            skus=(),
            t0_ms=round(time.time() * 1000) + 5_000,
        )
        tokens = [[f"u{number}", server.token(f"u{number}")] for number in range(VIEWERS + 5)]
        write_json(self.directory / "plan.json", plan.to_json())
        write_json(self.directory / "brief.json", asdict(brief))
        write_json(self.directory / "tokens.json", tokens)

    def start(self) -> None:
        arguments = ["--dir", str(self.directory), "--who", "audience-1", "--first", "5"]
        arguments += ["--count", str(VIEWERS), "--witnesses", str(WITNESSES)]
        self.program = Program("loadtest.rehearsal.audience", *arguments, directory=self._home)

    def live(self) -> dict[str, Any]:
        """What it showed last; nothing before its first second."""
        path = self.directory / "audience-1.live.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    def told(self) -> dict[str, Any]:
        """What its witnesses said last."""
        path = self.directory / "witness-audience-1.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    async def until(self, name: str, least: int, description: str) -> None:
        def is_there() -> bool:
            assert self.program.process.poll() is None, self.program.errors
            live = self.live()
            return bool({**live.get("heard", {}), **_now_of(live)}.get(name, -1) >= least)

        await wait_until(is_there, WITHIN_S, f"{description}; it shows {self.live()}")

    def stop(self) -> dict[str, Any]:
        """Ask it to go home; what its witnesses say in the end."""
        self.program.process.terminate()
        assert self.program.wait() == 0, self.program.errors
        return self.told()

    def samples(self, kind: str) -> list[Sample]:
        return [sample for sample in read_samples(self.directory) if sample.kind == kind]


def _now_of(live: dict[str, Any]) -> dict[str, Any]:
    return {name: live[name] for name in ("viewers", "errors") if name in live}


async def speaker(server: LiveServer, room: str, user: str = "host") -> WireClient:
    client, _ = await WireClient.join(
        server.ws_url, f"room:{room}", server.token(user, role="host")
    )
    return client


async def say(client: WireClient, room: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        await client.rpc("comment.send", {"room": room, "text": f"event {number}"})


def check_nothing_was_missed(told: dict[str, Any]) -> None:
    faults = ("skips", "missing", "repeated", "disorder", "unresumed", "never_joined")
    assert {name: told[name] for name in faults} == dict.fromkeys(faults, 0), told


async def test_one_process_holds_all_its_viewers_and_each_hears_every_event(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(**MANY)
    room = await server.new_room()
    playing = Playing(server, tmp_path, room)
    playing.start()
    try:
        await playing.until("viewers", VIEWERS, "everybody is in the room")
        async with await speaker(server, room) as host:
            await say(host, room, 0, 40)
        await playing.until("events", WITNESSES * 40, "the witnesses heard all comments")
        told = playing.stop()
    finally:
        playing.program.end()
    check_nothing_was_missed(told)
    assert (told["viewers"], told["came"], told["witnesses"]) == (VIEWERS, VIEWERS, WITNESSES)
    assert told["events"] == told["late_ms"]["count"] == WITNESSES * 40
    pushes = [sample for sample in playing.samples("push") if sample.name == "comment"]
    assert len(pushes) == WITNESSES * 40
    connects = playing.samples("connect")
    assert {(each.name, each.outcome) for each in connects} == {("connect", "ok")}
    assert {each.user for each in connects} == {f"u{number}" for number in range(5, VIEWERS + 5)}
    pulses = list(read_lines(playing.directory, "health-*.jsonl", Pulse))
    assert max(pulse.sockets for pulse in pulses) == VIEWERS
    assert sum(pulse.errors for pulse in pulses) == 0
    shown = [json.loads(line) for line in playing.program.output.splitlines()]
    assert {"viewers", "events", "bytes", "errors", "lag_ms"} <= set(shown[0])
    # every event reached every viewer: the total is of all, not of the witnesses
    assert sum(line["events"] for line in shown) >= VIEWERS * 40


async def test_viewers_of_a_killed_worker_come_back_and_miss_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(ONAIR_WORKERS="2", **MANY)
    room = await server.new_room()
    playing = Playing(server, tmp_path, room)
    playing.start()
    try:
        await playing.until("viewers", VIEWERS, "everybody is in the room")
        async with await speaker(server, room) as host:
            await say(host, room, 0, 10)
            spared = server.worker_of(host.port)
            (victim,) = (pid for pid in server.worker_pids() if pid != spared)
            server.kill_worker(victim)
            await say(host, room, 10, 30)
            await playing.until("resumed", 1, "a witness resumed")
            await playing.until("viewers", VIEWERS, "everybody is back")
            await say(host, room, 40, 10)
        await playing.until("events", WITNESSES * 50, "the witnesses heard all comments")
        told = playing.stop()
    finally:
        playing.program.end()
    check_nothing_was_missed(told)
    assert told["events"] == WITNESSES * 50
    assert (
        sum(told["closes"].values())
        == sum(sample.outcome == "ok" for sample in playing.samples("connect")) - VIEWERS
    )


async def test_a_server_that_comes_late_and_one_that_dies_are_waited_for_and_told(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(**MANY)
    room = await server.new_room()
    playing = Playing(server, tmp_path, room)
    server.stop()
    playing.start()
    try:
        await playing.until("errors", VIEWERS, "everybody was turned away")
        assert playing.told()["never_joined"] == WITNESSES
        assert "ConnectionRefusedError" in playing.told()["trouble"]
        server.start()
        await playing.until("viewers", VIEWERS, "everybody is in the room")
        async with await speaker(server, room) as host:
            await say(host, room, 0, 10)
        server.crash()
        await wait_until(lambda: playing.live()["viewers"] == 0, WITHIN_S, "all are cut off")
        server.start()
        async with await speaker(server, room, "another") as host:
            await say(host, room, 10, 10)
        await playing.until("viewers", VIEWERS, "everybody is back")
        await playing.until("events", WITNESSES * 20, "the witnesses heard all comments")
        told = playing.stop()
    finally:
        playing.program.end()
    check_nothing_was_missed(told)
    assert told["resumed"] == WITNESSES
    outcomes = {sample.outcome for sample in playing.samples("connect")}
    assert {"ok", "unknown"} <= outcomes
    pulses = list(read_lines(playing.directory, "health-*.jsonl", Pulse))
    assert sum(pulse.errors for pulse in pulses) == 0  # the server's faults are not its own
