"""A ledger worker without a ledger, to test the supervisor: it notes who had ended before it.

STAND_IN_LEDGER: `deaf` ignores SIGTERM, `dies` ends before it is ready.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from server.parentage import Inheritance, parent_gone
from server.redis_client import connect


async def main() -> None:
    inheritance = Inheritance.from_arguments(sys.argv[1:])
    behaviour = os.environ.get("STAND_IN_LEDGER", "")
    if behaviour == "dies":
        sys.exit(3)
    assert inheritance.redis_url is not None
    assert inheritance.listen_fd is None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, (lambda: None) if behaviour == "deaf" else stop.set)
    orphaned = parent_gone(inheritance.life_fd)
    orphaned.add_done_callback(lambda _: stop.set())
    inheritance.report_ready()
    await stop.wait()
    if not orphaned.done():  # Redis is up: it ends after us
        redis = connect(inheritance.redis_url)
        await redis.copy("drained", f"drained before ledger {inheritance.number}")
        await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
