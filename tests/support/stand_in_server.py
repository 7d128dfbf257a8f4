"""`onair serve` with stand-in workers: the same supervisor, no web.

It has ledger workers only if ONAIR_LEDGER_WORKERS says how many.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

from server.instance_lock import InstanceLock, prepare_data_dir
from server.settings import Settings
from server.supervisor import Supervisor


async def main() -> None:
    settings = Settings.from_env(os.environ)
    if "ONAIR_LEDGER_WORKERS" not in os.environ:
        settings = replace(settings, ledger_workers=0)
    supervisor = Supervisor(
        settings,
        os.environ,
        on_ready=lambda url, _port: print(f"onair ready {url}", flush=True),
        worker_module="tests.support.stand_in_worker",
        ledger_module="tests.support.stand_in_ledger",
    )
    with InstanceLock(prepare_data_dir(settings.data_dir)):
        await supervisor.run()


if __name__ == "__main__":
    asyncio.run(main())
