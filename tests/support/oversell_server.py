"""`onair serve` with a planted oversell: the same supervisor, workers of `oversell_worker`."""

from __future__ import annotations

import asyncio
import os

from server.instance_lock import InstanceLock, prepare_data_dir
from server.settings import Settings
from server.supervisor import Supervisor


async def main() -> None:
    settings = Settings.from_env(os.environ)
    supervisor = Supervisor(
        settings,
        os.environ,
        on_ready=lambda url, _port: print(f"onair ready {url}", flush=True),
        worker_module="tests.support.oversell_worker",
    )
    with InstanceLock(prepare_data_dir(settings.data_dir)):
        await supervisor.run()


if __name__ == "__main__":
    asyncio.run(main())
