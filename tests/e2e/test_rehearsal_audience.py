"""The silent audience of a rehearsal, one process of it, in front of the real server."""

from __future__ import annotations

import json
import time
from pathlib import Path

from loadtest.rehearsal.audience import SLOW_NOTE
from loadtest.rehearsal.records import Pulse, read_lines, write_json
from tests.e2e.conftest import StartServer
from tests.support.rehearsal_audience import (
    FIRST,
    WITHIN_S,
    WITNESSES,
    Playing,
    everybody_inside,
    say,
    speaker,
)
from tests.support.wait import wait_until

VIEWERS = 400
MANY = {  # everybody comes from one address here
    "ONAIR_ACCEPTS_PER_ADDRESS_PER_S": "3000",
    "ONAIR_CHAT_PER_S": "10000",
    "ONAIR_CHAT_BURST": "10000",
}


async def test_one_process_holds_all_its_viewers_and_each_hears_every_event(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(command="serve", **MANY)
    async with everybody_inside(server, tmp_path, VIEWERS) as playing:
        room = playing.room
        async with await speaker(server, room) as host:
            await say(host, room, 0, 40)
        await playing.until_all_heard(40)
        told = playing.stop()
    playing.check_nothing_was_missed(told)
    assert (told["viewers"], told["came"], told["witnesses"]) == (VIEWERS, VIEWERS, WITNESSES)
    assert told["events"] == told["late_ms"]["count"] == WITNESSES * 40
    pushes = [sample for sample in playing.samples("push") if sample.name == "comment"]
    assert len(pushes) == WITNESSES * 40
    connects = playing.samples("connect")
    assert {(each.name, each.outcome) for each in connects} == {("connect", "ok")}
    assert {each.user for each in connects} == {
        f"u{number}" for number in range(FIRST, VIEWERS + FIRST)
    }
    pulses = list(read_lines(playing.directory, "health-*.jsonl", Pulse))
    assert max(pulse.sockets for pulse in pulses) == VIEWERS
    assert sum(pulse.errors for pulse in pulses) == 0
    shown = [json.loads(line) for line in playing.program.output.splitlines()]
    assert {"viewers", "events", "bytes", "errors", "lag_ms"} <= set(shown[0])
    assert sum(line["events"] for line in shown) >= VIEWERS * 40


async def test_viewers_of_a_killed_worker_come_back_and_miss_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(command="serve", ONAIR_WORKERS="2", **MANY)
    async with everybody_inside(server, tmp_path, VIEWERS) as playing:
        room = playing.room
        async with await speaker(server, room) as host:
            await say(host, room, 0, 10)
            spared = server.worker_of(host.port)
            (victim,) = (pid for pid in server.worker_pids() if pid != spared)
            server.kill_worker(victim)
            await say(host, room, 10, 30)
            await playing.until("resumed", 1, "a witness resumed")
            await playing.until("viewers", VIEWERS, "everybody is back")
            await say(host, room, 40, 10)
        await playing.until_all_heard(50)
        told = playing.stop()
    playing.check_nothing_was_missed(told)
    assert told["events"] == WITNESSES * 50
    assert (
        sum(told["closes"].values())
        == sum(sample.outcome == "ok" for sample in playing.samples("connect")) - VIEWERS
    )


async def test_a_server_that_comes_late_and_one_that_dies_are_waited_for_and_told(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(command="serve", **MANY)
    room = await server.new_room()
    playing = Playing(server, tmp_path, room, viewers=VIEWERS)
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
        await playing.until_all_heard(20)
        told = playing.stop()
    finally:
        playing.end()
    playing.check_nothing_was_missed(told)
    assert told["resumed"] == WITNESSES
    outcomes = {sample.outcome for sample in playing.samples("connect")}
    assert {"ok", "unknown"} <= outcomes
    pulses = list(read_lines(playing.directory, "health-*.jsonl", Pulse))
    assert sum(pulse.errors for pulse in pulses) == 0  # the server's faults are not its own


async def test_slow_readers_stop_reading_when_a_drill_asks_and_miss_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(command="serve", **MANY)
    async with everybody_inside(server, tmp_path, VIEWERS) as playing:
        room = playing.room
        note = {"at_us": time.time_ns() // 1_000, "percent": 10, "seconds": 5}
        write_json(playing.directory / SLOW_NOTE, note)
        await playing.until(
            "slow", (VIEWERS - WITNESSES) // 10, "a tenth of the silent read nothing"
        )
        async with await speaker(server, room) as host:
            await say(host, room, 0, 30)
        await wait_until(lambda: playing.live()["slow"] == 0, WITHIN_S, "all read again")
        await playing.until_all_heard(30)
        told = playing.stop()
    playing.check_nothing_was_missed(told)
    assert told["events"] == WITNESSES * 30  # a witness is never slow
