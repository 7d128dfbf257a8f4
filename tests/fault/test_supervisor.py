"""The supervisor when processes die: all of it real, but for workers that serve no web."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.embedded_redis import EmbeddedRedis, read_state
from tests.support.processes import Program, below, is_running
from tests.support.redis_server import free_port
from tests.support.supervised import (
    Start,
    accepts_connections,
    ledger_workers,
    visit,
    visit_after_a_death,
    wait_until_ready,
    workers,
)
from tests.support.wait import wait_until_sync


def redis_pid(program: Program) -> int:
    (pid,) = below(program.pid, "redis-server", "unixsocket")
    return pid


def test_it_is_ready_once_all_workers_are_and_says_so_once(start: Start) -> None:
    server = start(ONAIR_WORKERS="2")
    port = wait_until_ready(server)
    assert len(workers(server)) == 2
    assert visit(port)[0] in workers(server)
    assert server.output == f"onair ready http://127.0.0.1:{port}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_workers_and_stops_redis_after_them(
    start: Start, data_dir: Path, number: signal.Signals
) -> None:
    server = start(ONAIR_WORKERS="2")
    wait_until_ready(server)
    worker_pids = workers(server)
    everything = below(server.pid)
    # To the whole group, as a terminal does: the workers must not get it.
    os.killpg(server.pid, number)
    assert server.wait() == 0, server.errors
    assert [pid for pid in everything if is_running(pid)] == []

    redis = EmbeddedRedis(data_dir)
    await redis.start()
    async with Redis.from_url(redis.url, decode_responses=True) as client:
        assert await client.smembers("drained") == {str(pid) for pid in worker_pids}
    await redis.stop()


def test_when_it_is_killed_workers_and_redis_end_by_themselves(start: Start) -> None:
    server = start(ONAIR_WORKERS="2")
    wait_until_ready(server)
    everything = below(server.pid)
    assert len(everything) == 4  # two workers, Redis and its watcher
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    wait_until_sync(lambda: not any(map(is_running, everything)), 15, "all of it has ended")


def test_after_a_kill_it_starts_again_at_once_with_the_same_data(start: Start) -> None:
    server = start()
    first = visit(wait_until_ready(server))[1]
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    again = start()  # without waiting for what the first one left behind
    assert visit(wait_until_ready(again))[1] == first + 1


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(start: Start) -> None:
    server = start(ONAIR_WORKERS="2")
    port = wait_until_ready(server)
    before, redis = workers(server), redis_pid(server)
    os.kill(before[0], signal.SIGKILL)
    wait_until_sync(lambda: visit_after_a_death(port)[0] == before[1], 20, "the other one goes on")
    wait_until_sync(
        lambda: len(workers(server)) == 2 and before[0] not in workers(server),
        20,
        "there are two workers again",
    )
    assert redis_pid(server) == redis
    assert server.output.count("onair ready") == 1


def test_while_the_only_worker_is_being_replaced_newcomers_wait(start: Start) -> None:
    server = start()
    port = wait_until_ready(server)
    (before,) = workers(server)
    os.kill(before, signal.SIGKILL)
    assert visit(port)[0] not in (0, before)


def test_redis_killed_under_a_running_server_comes_back(start: Start, data_dir: Path) -> None:
    server = start()
    port = wait_until_ready(server)
    first = visit(port)[1]
    os.kill(redis_pid(server), signal.SIGKILL)
    wait_until_sync(lambda: visit(port)[1] > first, 20, "visits are counted again, none lost")
    state = read_state(data_dir)
    assert state is not None
    assert state.restarts == 1


def test_a_worker_that_does_not_drain_is_killed_when_its_time_is_up(start: Start) -> None:
    limits = {
        "ONAIR_DRAIN_READY_S": "1",
        "ONAIR_DRAIN_SECONDS": "1",
        "ONAIR_DECIDE_WITHIN_S": "1",
        "ONAIR_CLOSE_WITHIN_S": "1",
    }
    server = start(STAND_IN="deaf", **limits)
    wait_until_ready(server)
    (worker,) = workers(server)
    started_s = time.monotonic()
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - started_s >= 4
    assert not is_running(worker)
    assert "did not stop in 4 s: killed" in server.errors


def test_a_second_signal_does_not_wait_for_the_drain(start: Start) -> None:
    server = start(STAND_IN="deaf", ONAIR_DRAIN_SECONDS="300")
    wait_until_ready(server)
    (worker,) = workers(server)
    os.kill(server.pid, signal.SIGINT)
    # The signal handler of the worker must have seen the first one before the second is sent.
    wait_until_sync(lambda: not accepts_connections(server), 10, "the first signal has arrived")
    os.kill(server.pid, signal.SIGINT)
    assert server.wait() == 0
    assert not is_running(worker)


def test_a_worker_that_cannot_start_stops_the_start(start: Start) -> None:
    server = start(STAND_IN="dies")
    assert server.wait() == 1
    assert "web worker 1 ended with 3 before it was ready" in server.errors
    assert server.output == ""


def test_a_signal_during_the_start_stops_what_had_been_started(start: Start) -> None:
    server = start(STAND_IN="mute")
    wait_until_sync(lambda: workers(server), 20, "the worker is being waited for")
    everything = below(server.pid)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait() == 0
    assert [pid for pid in everything if is_running(pid)] == []
    assert server.output == ""


async def test_ledger_workers_stop_after_all_web_workers_and_before_redis(
    start: Start, data_dir: Path
) -> None:
    server = start(ONAIR_WORKERS="2", ONAIR_LEDGER_WORKERS="2")
    wait_until_ready(server)
    worker_pids = workers(server)
    assert len(ledger_workers(server)) == 2
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait() == 0, server.errors

    redis = EmbeddedRedis(data_dir)
    await redis.start()
    async with Redis.from_url(redis.url, decode_responses=True) as client:
        for number in (1, 2):
            ended_before = await client.smembers(f"drained before ledger {number}")
            assert ended_before == {str(pid) for pid in worker_pids}
    await redis.stop()


def test_a_ledger_worker_that_is_killed_is_replaced_under_its_number(start: Start) -> None:
    server = start(ONAIR_LEDGER_WORKERS="2")
    wait_until_ready(server)
    (web_worker,) = workers(server)
    (second,) = below(server.pid, "stand_in_ledger", "--number 2")
    os.kill(second, signal.SIGKILL)
    wait_until_sync(
        lambda: below(server.pid, "stand_in_ledger", "--number 2") not in ([], [second]),
        20,
        "there is a second ledger worker again",
    )
    assert workers(server) == [web_worker]
    assert f"ledger worker 2 (pid {second}) ended with -9" in server.errors


def test_a_ledger_worker_that_does_not_stop_is_killed_when_its_time_is_up(start: Start) -> None:
    limits = {"ONAIR_DRAIN_SECONDS": "1", "ONAIR_CLOSE_WITHIN_S": "1"}
    server = start(ONAIR_LEDGER_WORKERS="1", STAND_IN_LEDGER="deaf", **limits)
    wait_until_ready(server)
    everything = below(server.pid)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait() == 0
    assert [pid for pid in everything if is_running(pid)] == []
    assert "ledger worker 1" in server.errors
    assert "did not stop in 2 s: killed" in server.errors


def test_a_second_signal_kills_ledger_workers_for_good(start: Start) -> None:
    server = start(
        ONAIR_LEDGER_WORKERS="1",
        STAND_IN="deaf",
        STAND_IN_LEDGER="deaf",
        ONAIR_DRAIN_SECONDS="300",
    )
    wait_until_ready(server)
    everything = below(server.pid)
    os.kill(server.pid, signal.SIGINT)
    wait_until_sync(lambda: not accepts_connections(server), 10, "the first signal has arrived")
    os.kill(server.pid, signal.SIGINT)
    assert server.wait() == 0
    assert [pid for pid in everything if is_running(pid)] == []
    assert "is up again" not in server.errors


def test_a_ledger_worker_that_cannot_start_stops_the_start(start: Start) -> None:
    server = start(ONAIR_LEDGER_WORKERS="1", STAND_IN_LEDGER="dies")
    assert server.wait() == 1
    assert "ledger worker 1 ended with 3 before it was ready" in server.errors
    assert server.output == ""


def test_ledger_workers_end_by_themselves_when_the_supervisor_is_killed(start: Start) -> None:
    server = start(ONAIR_LEDGER_WORKERS="1")
    wait_until_ready(server)
    everything = below(server.pid)
    assert len(everything) == 4  # two workers, Redis and its watcher
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    wait_until_sync(lambda: not any(map(is_running, everything)), 15, "all of it has ended")


def test_a_port_in_use_is_named_in_one_line(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = start("serve", module="server", ONAIR_PORT=str(port))
        assert server.wait() == 1
    assert server.errors == (
        f"onair: ONAIR_PORT: {port} on 127.0.0.1 is in use by another program\n"
    )


def test_a_second_server_on_the_same_data_is_refused_by_pid_and_path(
    start: Start, data_dir: Path
) -> None:
    first = start()
    wait_until_ready(first)
    second = start("serve", module="server")
    assert second.wait() == 1
    assert second.errors == (
        f"onair: ONAIR_DATA_DIR: {data_dir} is in use by another onair (process {first.pid}); "
        "stop that one, or give this one another ONAIR_DATA_DIR\n"
    )
    assert is_running(first.pid)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"ONAIR_REDIS_URL": "redis://127.0.0.1:{port}"},
            "ONAIR_REDIS_URL: redis://127.0.0.1:{port}: cannot be reached",
        ),
        (
            {"ONAIR_DATABASE_URL": "postgresql://127.0.0.1:{port}/shop"},
            "ONAIR_DATABASE_URL: ",
        ),
        ({"ONAIR_DATABASE_URL": "sqlite://"}, "ONAIR_DATABASE_URL: a SQLite database must be"),
        ({"ONAIR_DURABILITY": "replicated"}, "ONAIR_DURABILITY: replicated needs ONAIR_REDIS_URL"),
        ({"ONAIR_HOST": "no such host"}, "ONAIR_HOST: 'no such host' is not an address"),
        ({"ONAIR_HOST": "192.0.2.1"}, "ONAIR_HOST: cannot listen on 192.0.2.1"),
    ],
)
def test_what_cannot_work_ends_the_start_with_one_line(
    start: Start, settings: dict[str, str], line: str
) -> None:
    port = str(free_port())
    filled = {name: text.replace("{port}", port) for name, text in settings.items()}
    server = start("serve", module="server", **filled)
    assert server.wait() == 1
    complaint = server.errors.splitlines()[-1]
    assert complaint.startswith(f"onair: {line.replace('{port}', port)}")
    assert "Traceback" not in server.errors
    assert server.output == ""
