"""One ledger worker: `python -m server.ledger.process`, started by the supervisor.

On SIGTERM, or when its supervisor is gone, it writes what the streams still hold (for at most
`drain_seconds`) and ends with 0. What is left then stays in the streams for the next start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

import uvloop

from server.parentage import Inheritance, parent_gone
from server.redis_client import connect
from server.settings import Settings

_LOG = logging.getLogger("onair.ledger")


async def work(settings: Settings, inheritance: Inheritance) -> int:
    """Do the work until told to stop; returns the exit code."""
    redis_url = inheritance.redis_url or settings.redis_url
    assert redis_url is not None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    orphaned = parent_gone(inheritance.life_fd)
    orphaned.add_done_callback(lambda _: stop.set())
    client = connect(redis_url, settings.limits)
    await client.initialize()
    inheritance.report_ready()
    await stop.wait()
    orphaned.cancel()
    await client.aclose()
    return 0


def main() -> None:
    inheritance = Inheritance.from_arguments(sys.argv[1:])
    settings = Settings.from_env(os.environ)
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(work(settings, inheritance))
    sys.exit(code)


if __name__ == "__main__":
    main()
