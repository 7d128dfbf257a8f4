"""What a rehearsal leaves running when its server is killed in the middle of it: nothing."""

from __future__ import annotations

import asyncio
import signal

from tests.e2e.conftest import StartServer
from tests.support.processes import is_running
from tests.support.rehearsal_town import open_rehearsal, real_shop
from tests.support.wait import wait_until


async def test_a_ledger_worker_that_a_drill_has_stopped_ends_with_its_server(
    start_server: StartServer,
) -> None:
    settings = {"ONAIR_REHEARSAL_DRILLS": "1"}
    server = await asyncio.to_thread(start_server, command="serve", **settings)
    shop = real_shop(server)
    run, _shadow = await open_rehearsal(shop)
    drill = {"kind": "stop_ledger", "seconds": 600}
    await shop.call("POST", f"/api/v1/rehearsals/{run}/drills", drill)
    looked = await shop.call("GET", f"/api/v1/rehearsals/{run}/observed")
    pids = {one["name"]: one["pid"] for one in looked["processes"] if one["shadow"]}
    assert set(pids) == {"rehearsal ledger worker 1", "rehearsal redis"}
    assert await asyncio.to_thread(server.stop, signal.SIGKILL) == -signal.SIGKILL

    def all_ended() -> bool:
        return not any(map(is_running, pids.values()))

    await wait_until(all_ended, 60, "nothing of the rehearsal runs any more")
