"""The largest audience that one process holds: 10,000 with `--viewers 10000`, less in every run.

`-s` shows what it cost.
"""

from __future__ import annotations

import resource
from pathlib import Path

import psutil
import pytest

from loadtest.rehearsal.records import Pulse, read_lines
from tests.support.live_server import LiveServer
from tests.support.rehearsal_audience import Playing, say, speaker

COMMENTS = 20
OTHER_FILES = 500


async def test_every_socket_of_a_large_audience_in_one_process_hears_every_event(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    viewers = pytestconfig.getoption("--viewers")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < viewers + OTHER_FILES:
        pytest.fail(f"a process may not have {viewers + OTHER_FILES} open files here")
    server = LiveServer(
        tmp_path / "server",
        command="serve",
        ONAIR_ACCEPTS_PER_ADDRESS_PER_S="3000",
        ONAIR_CHAT_PER_S="10000",
    )
    server.start()
    playing = Playing(server, tmp_path, await server.new_room(), viewers=viewers, arrive_s=5)
    try:
        playing.start()
        await playing.until("viewers", viewers, "everybody is in the room")
        rss_bytes = psutil.Process(playing.program.pid).memory_info().rss
        worker_rss_bytes = psutil.Process(server.worker_pids()[0]).memory_info().rss
        async with await speaker(server, playing.room) as host:
            await say(host, playing.room, 0, COMMENTS)
        await playing.until_all_heard(COMMENTS)
        told = playing.stop()
    finally:
        playing.end()
        server.end()
    playing.check_nothing_was_missed(told)
    pulses = list(read_lines(playing.directory, "health-*.jsonl", Pulse))
    assert max(pulse.sockets for pulse in pulses) == viewers
    assert sum(pulse.errors for pulse in pulses) == 0
    print(playing.figures(rss_bytes, worker_rss_bytes))
