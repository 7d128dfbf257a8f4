"""The embedded Redis when things go wrong: killed, frozen, left behind, full disk, two owners."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server import redis_binary
from server.embedded_redis import EmbeddedRedis, RedisNotStarted, read_state
from server.instance_lock import InstanceLock, InstanceRunning, prepare_data_dir
from server.redis_client import connect
from server.redis_socket import SOCKET_PATH_BYTES_MAX, socket_path
from server.settings import BadSetting, Limits
from tests.support.processes import REPOSITORY, is_running
from tests.support.redis_server import RedisServer
from tests.support.wait import wait_until, wait_until_sync

# A process that runs an embedded Redis, says so, and then only waits to be killed.
OWNER = """
import asyncio, pathlib, sys
from server.embedded_redis import EmbeddedRedis
async def main():
    redis = EmbeddedRedis(pathlib.Path(sys.argv[1]))
    await redis.start()
    print(redis.state.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def embedded(data_dir: Path) -> AsyncIterator[EmbeddedRedis]:
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    yield redis
    await redis.stop()


@pytest.fixture
def owner(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with an embedded Redis in `data_dir`, and the pid of that Redis."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    yield process, pid
    process.kill()
    process.wait()
    process.stdout.close()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def test_what_was_answered_survives_kill_9_in_the_middle_of_writing(data_dir) -> None:
    server = RedisServer(data_dir)
    server.start()
    try:
        client = connect(server.url, Limits(redis_within_ms=10_000))
        acknowledged: set[int] = set()

        async def write(first: int) -> None:
            for number in range(first, first + 100_000, 8):
                try:
                    await client.set(f"key:{number}", "x")
                except RedisError:
                    return
                acknowledged.add(number)

        writers = [asyncio.create_task(write(first)) for first in range(8)]
        await wait_until(lambda: len(acknowledged) > 500, 20, "some writes are acknowledged")
        old_pid = await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.wait_until_up)
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)

        numbers = sorted(acknowledged)
        values = await client.mget([f"key:{number}" for number in numbers])
        lost = [number for number, value in zip(numbers, values, strict=True) if value != b"x"]
        await client.aclose()
    finally:
        server.stop()
    assert lost == []
    assert server.state.restarts == 1
    assert not is_running(old_pid)


async def test_each_death_is_followed_by_a_restart_and_is_on_record(
    embedded: EmbeddedRedis,
) -> None:
    for deaths in (1, 2, 3):
        pid = embedded.state.pid
        os.kill(pid, signal.SIGKILL)
        await wait_until(
            lambda: embedded.state.status == "up" and embedded.state.pid != pid,  # noqa: B023
            20,
            "Redis is up again",
        )
        assert embedded.state.restarts == deaths
        assert "ended with -9" in embedded.state.last_error
    assert read_state(embedded.data_dir) == embedded.state


async def test_while_it_cannot_come_up_the_reason_is_on_record(embedded: EmbeddedRedis) -> None:
    append_only = embedded.data_dir / "redis" / "appendonlydir"
    manifest = next(append_only.glob("*.manifest"))
    good = manifest.read_bytes()
    manifest.write_text("this is no manifest\n")
    os.kill(embedded.state.pid, signal.SIGKILL)

    await wait_until(
        lambda: embedded.state.restarts >= 3, 20, "two attempts to restart have failed"
    )
    state = read_state(embedded.data_dir)
    assert state is not None
    assert state.status == "restarting"
    assert "manifest" in state.last_error
    manifest.write_bytes(good)
    await wait_until(lambda: embedded.state.status == "up", 20, "it comes up once it can")


async def test_stopping_is_in_order_and_leaves_nothing_behind(data_dir: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    async with Redis.from_url(redis.url) as client:
        await client.set("kept", "yes")
    await redis.stop()

    assert {child.pid for child in psutil.Process().children(recursive=True)} == before
    assert redis.state.status == "stopped"
    assert "bye bye" in redis.log_path.read_text()
    await redis.start()
    async with Redis.from_url(redis.url) as client:
        assert await client.get("kept") == b"yes"
    await redis.stop()


async def test_stopping_a_frozen_redis_ends_in_a_kill(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.embedded_redis.STOP_WITHIN_S", 0.3)
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    pid = redis.state.pid
    os.kill(pid, signal.SIGSTOP)
    await redis.stop()
    assert not is_running(pid)
    assert any("did not stop" in message for message in caplog.messages)


async def test_stop_during_a_restart_stops_for_good(embedded: EmbeddedRedis) -> None:
    os.kill(embedded.state.pid, signal.SIGKILL)
    await wait_until(lambda: embedded.state.restarts == 1, 10, "the death is noticed")
    await embedded.stop()
    assert embedded.state.status == "stopped"
    assert [child.name() for child in psutil.Process().children() if "redis" in child.name()] == []


def test_it_ends_by_itself_when_its_parent_is_killed(owner) -> None:
    process, redis_pid = owner
    assert is_running(redis_pid)
    process.kill()
    process.wait()
    wait_until_sync(lambda: not is_running(redis_pid), 10, "Redis has ended")


async def test_a_redis_left_behind_is_stopped_and_its_data_taken_over(owner, data_dir) -> None:
    process, redis_pid = owner
    async with Redis.from_url(f"unix://{data_dir}/redis.sock") as client:
        await client.set("kept", "yes")
    # Without its watcher it outlives its parent, as after a kill of everything but itself.
    for child in psutil.Process(process.pid).children():
        if child.pid != redis_pid:
            child.kill()
    process.kill()
    process.wait()
    assert is_running(redis_pid)

    redis = EmbeddedRedis(data_dir)
    await redis.start()
    try:
        assert not is_running(redis_pid)
        async with Redis.from_url(redis.url) as client:
            assert await client.get("kept") == b"yes"
    finally:
        await redis.stop()


async def test_a_redis_left_behind_that_is_frozen_is_killed(owner, data_dir) -> None:
    process, redis_pid = owner
    for child in psutil.Process(process.pid).children():
        if child.pid != redis_pid:
            child.kill()
    process.kill()
    process.wait()
    os.kill(redis_pid, signal.SIGSTOP)

    redis = EmbeddedRedis(data_dir, start_within_s=8)
    await redis.start()
    try:
        assert not is_running(redis_pid)
    finally:
        await redis.stop()


def put_first_on_path(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    """Make `redis-server` a shell script, for which $REAL is the real program."""
    real = redis_binary.find_redis_server(directory)
    program = directory / "redis-server"
    program.write_text(f"#!/bin/sh\nREAL='{real}'\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


async def test_loading_much_data_is_waited_for_as_long_as_it_makes_progress(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    async with Redis.from_url(redis.url, socket_timeout=20) as client:
        await client.mset({f"key:{number}": os.urandom(1_000) for number in range(1_500)})
        await client.bgrewriteaof()

        async def rewritten() -> bool:
            about = await client.info("persistence")
            return not about["aof_rewrite_in_progress"] and not about["aof_rewrite_scheduled"]

        await wait_until(rewritten, 20, "the file is rewritten")
    await redis.stop()

    slowly = "--key-load-delay 4000 --loading-process-events-interval-bytes 1024"
    put_first_on_path(monkeypatch, tmp_path, f'exec "$REAL" "$@" {slowly}')
    slow = EmbeddedRedis(data_dir, start_within_s=4)  # loading takes 6 s at least
    started_s = time.monotonic()
    await slow.start()
    try:
        assert time.monotonic() - started_s > 6
        async with Redis.from_url(slow.url) as client:
            assert await client.dbsize() == 1_500
    finally:
        await slow.stop()


async def test_a_server_that_never_answers_is_given_up_and_ended(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_first_on_path(
        monkeypatch, tmp_path, '[ "$1" = --version ] && exec "$REAL" --version; exec sleep 3600'
    )
    redis = EmbeddedRedis(data_dir, start_within_s=0.3)
    with pytest.raises(RedisNotStarted, match="did not answer within"):
        await redis.start()
    assert [child.name() for child in psutil.Process().children() if child.name() == "sleep"] == []


async def test_a_server_that_ends_at_once_is_reported_with_its_own_words(data_dir: Path) -> None:
    (data_dir / "redis").mkdir()
    (data_dir / "redis" / "appendonlydir").write_text("a file where a directory must be")
    redis = EmbeddedRedis(data_dir)
    with pytest.raises(RedisNotStarted, match="appendonlydir"):
        await redis.start()
    assert redis.state.status == "stopped"


async def test_a_full_disk_is_named_before_anything_starts(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir, disk_free_bytes_min=2**62)
    with pytest.raises(BadSetting, match=r"ONAIR_DATA_DIR: the disk of .* is full"):
        await redis.start()


async def test_a_torn_last_write_is_cut_off_and_all_before_it_kept(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    async with Redis.from_url(redis.url) as client:
        await client.set("kept", "yes")
    await redis.stop()
    increment = next((data_dir / "redis" / "appendonlydir").glob("*.incr.aof"))
    with increment.open("ab") as torn:
        torn.write(b"*3\r\n$3\r\nSET\r\n$4\r\nto")

    await redis.start()
    async with Redis.from_url(redis.url) as client:
        assert await client.get("kept") == b"yes"
    await redis.stop()


async def test_a_long_and_strange_path_still_has_a_private_socket(tmp_path: Path) -> None:
    data_dir = tmp_path / ("a shop with spaces, 店铺 " * 5) / '"quoted" data'
    data_dir.mkdir(parents=True)
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    try:
        assert len(os.fsencode(redis.socket)) <= SOCKET_PATH_BYTES_MAX
        assert redis.socket == socket_path(data_dir)
        assert redis.socket.stat().st_mode & 0o777 == 0o700
        assert redis.socket.parent.stat().st_mode & 0o077 == 0
        async with Redis.from_url(redis.url) as client:
            assert await client.ping()
    finally:
        await redis.stop()
        redis.socket.parent.rmdir()


async def test_it_promises_durability_in_its_configuration(embedded: EmbeddedRedis) -> None:
    async with Redis.from_url(embedded.url, decode_responses=True) as client:
        settings = await client.config_get(
            "appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy", "port"
        )
        assert await client.config_get("save") == {"save": ""}
    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "maxmemory-policy": "noeviction",
        "port": "0",
    }


def test_a_second_owner_of_a_data_directory_is_refused_by_pid_and_path(data_dir: Path) -> None:
    code = "import sys, pathlib; from server.instance_lock import InstanceLock\n"
    code += "InstanceLock(pathlib.Path(sys.argv[1])).acquire(); print('held', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InstanceRunning) as caught:
            InstanceLock(data_dir).acquire()
        assert str(other.pid) in str(caught.value)
        assert str(data_dir) in str(caught.value)
    finally:
        other.kill()
        other.communicate()
    with InstanceLock(data_dir):  # the lock ended with its owner
        pass


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match=r"ONAIR_DATA_DIR: cannot write to .*file/data"):
        prepare_data_dir(tmp_path / "file" / "data")


def program_that_says(directory: Path, text: str) -> None:
    program = directory / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("banner", "taken"),
    [
        ("Redis server v=7.2.0 sha=0 malloc=libc bits=64", True),
        ("Valkey server v=8.1.3 sha=0 malloc=libc bits=64", True),
        ("Redis server v=7.0.15 sha=0 malloc=libc bits=64", False),
        ("Valkey server v=7.2.9 sha=0 malloc=libc bits=64", False),
        ("something else", False),
    ],
)
def test_a_program_on_the_path_is_taken_only_if_its_version_is_supported(
    tmp_path: Path, banner: str, taken: bool
) -> None:
    program_that_says(tmp_path, banner)
    found = redis_binary.find_redis_server(tmp_path, search_path=str(tmp_path))
    assert (found == tmp_path / "redis-server") is taken


def test_a_bundled_program_without_its_executable_bit_is_used_all_the_same(tmp_path: Path) -> None:
    program_that_says(tmp_path, "Redis server v=8.2.3 sha=0")
    program = tmp_path / "redis-server"
    program.chmod(0o644)
    assert os.access(redis_binary._executable(program, tmp_path), os.X_OK)
