"""A web worker with no web in it, to test the supervisor: it takes connections and says its pid.

STAND_IN: `deaf` ignores SIGTERM, `dies` ends before it is ready, `mute` never says it is ready.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

from redis.exceptions import RedisError

from server.parentage import HAND_OVER, Inheritance, parent_gone
from server.redis_client import connect


async def main() -> None:
    inheritance = Inheritance.from_arguments(sys.argv[1:])
    behaviour = os.environ.get("STAND_IN", "")
    if behaviour == "dies":
        sys.exit(3)
    assert inheritance.redis_url is not None
    redis = connect(inheritance.redis_url)

    answering: set[asyncio.Task[None]] = set()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.add(task)
        task.add_done_callback(answering.discard)
        visit = 0
        with suppress(RedisError):
            visit = await redis.incr("visits")
        writer.write(f"{os.getpid()} {visit}\n".encode())
        writer.close()

    server = await asyncio.start_server(answer, sock=inheritance.listening_socket())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, HAND_OVER):
        loop.add_signal_handler(number, (lambda: None) if behaviour == "deaf" else stop.set)
    orphaned = parent_gone(inheritance.life_fd)
    orphaned.add_done_callback(lambda _: stop.set())
    if behaviour != "mute":
        inheritance.report_ready()
    await stop.wait()
    server.close()
    await asyncio.sleep(0)  # who was taken in just now is answered too
    await asyncio.gather(*answering)
    with suppress(RedisError):
        await redis.sadd("drained", os.getpid())
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
