"""New processes in the place of all workers, one after the other, without an interruption.

For a new version, a new word list, or anything else that is read at a worker's start. The
settings stay as they are: the environment of the supervisor. First a process of the new version
looks whether it could start here, and brings the database to the shape that it needs
(`python -m server.renewal`, this module's `main`). Then each worker is succeeded. At the first that
cannot be, the renewal ends: what is left goes on as it was.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from server.settings import Settings
from server.worker_process import WorkerNotReady
from server.worker_slot import WorkerSlot

MODULE = "server.renewal"
PREPARED_WITHIN_S = 120.0

log = logging.getLogger(__name__)


class Renewal:
    """One per supervisor. `workers` tells those of now, in the order of their succession."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        workers: Callable[[], Sequence[WorkerSlot]],
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._workers = workers
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Let it begin; one that is asked for while another goes on follows that."""
        log.info("asked to renew the workers")
        self._asked.set()

    async def run(self) -> None:
        """Renew whenever it is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._renew()
            except (WorkerNotReady, OSError) as error:
                log.error("the renewal ends here, what is left goes on: %s", error)

    async def _renew(self) -> None:
        if not await self._prepare():
            log.error("nothing is renewed: the new version cannot start; its reason stands above")
            return
        for worker in self._workers():
            await worker.succeed(self._settings.limits.web_worker_ends_within_s)
        log.warning("all workers are renewed")

    async def _prepare(self) -> bool:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", MODULE),
            stdin=asyncio.subprocess.DEVNULL,
            env=dict(self._environ),
            start_new_session=True,
        )
        try:
            return await asyncio.wait_for(process.wait(), PREPARED_WITHIN_S) == 0
        except TimeoutError:
            log.error("preparing took longer than %g s", PREPARED_WITHIN_S)
            return False
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def main() -> int:
    """Check what workers read at their start, and migrate. The exit code says whether they may."""
    from server.database.dialects import sqlite_url
    from server.database.errors import DatabaseUnavailable, UnknownSchema
    from server.database.migrate import migrate
    from server.settings import BadSetting
    from server.sharing.policies import load_policies
    from server.supervisor import DATABASE_NAME
    from server.word_file import text_filter

    try:
        settings = Settings.from_env(os.environ)
        load_policies(settings.channel_policies_file)
        text_filter(settings.blocked_words_file)
        migrate(settings.database_url or sqlite_url(settings.data_dir / DATABASE_NAME))
    except (BadSetting, DatabaseUnavailable, UnknownSchema, ValueError) as error:
        print(f"onair: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
