"""A rehearsal under a light load, for one drill: an audience that watches, somebody who buys.

Everything is the product's own, but for the plan: a real shadow shop of a real server, a process
of silent viewers, and purchases in the rehearsal's sale all through the drill.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path

from loadtest.rehearsal import probing, records
from loadtest.rehearsal.children import Child, Children
from loadtest.rehearsal.drills import DrillContext, perform
from loadtest.rehearsal.http import Api
from loadtest.rehearsal.plan import Drill, Plan
from loadtest.rehearsal.probing import Probe, Stall
from loadtest.rehearsal.proxy import Gateway
from loadtest.rehearsal.records import Brief, DrillReport
from loadtest.rehearsal.shadow import Shadow
from loadtest.rehearsal.stage import sale_of, stage
from loadtest.rehearsal.watching import watching
from tests.support.live_server import API_KEY, LiveServer
from tests.support.wait import wait_until_sync

VIEWERS = 20
BUYERS = 5
PATIENCE_S = 120  # machines of tests may be slow to start a worker: how slow is not tested here
PLAN = Plan.from_json(
    {
        "title": "drills",
        "items": [
            {"sku": probing.PRODUCT, "title": "Mug", "stock": 4_000, "price_minor": 100}
            | {"per_user_max": 1_000}
        ],
        "phases": {"hold_s": 3_600},
        "targets": {"recover_s": PATIENCE_S // 2},
    }
)


class Scene:
    """One open rehearsal. `load` buys in its sale without end."""

    def __init__(self, context: DrillContext, load: Probe) -> None:
        self.context = context
        self.load = load

    @property
    def shadow(self) -> Shadow:
        return self.context.shadow

    def perform(self, kind: str, seconds: int = 2, percent: int = 50) -> DrillReport:
        """Do a drill, and see that the load goes on after it."""
        report = perform(Drill(kind, 0, seconds, percent), self.context)
        sold = self.load.acknowledged
        wait_until_sync(lambda: self.load.acknowledged >= sold + 3, PATIENCE_S, "people buy again")
        return report

    def pid(self, name: str) -> int:
        """Of the only process of the server with that name."""
        (pid,) = [one["pid"] for one in self.shadow.look()["processes"] if one["name"] == name]
        return int(pid)

    def viewers(self) -> int:
        return int(self.shadow.look()["viewers"])


@contextmanager
def opened(server: LiveServer, directory: Path) -> Iterator[Scene]:
    """Open a rehearsal and let people in; purge it at the end, whatever happened."""
    shadow = Shadow.open(Api(server.base_url, API_KEY), PLAN)
    with ExitStack() as stack:
        stack.callback(shadow.purge)
        gateway = stack.enter_context(Gateway(server.base_url, directory))
        children = stack.enter_context(Children())
        brief = _prepared(shadow, gateway, directory)
        arguments = ["--dir", str(directory), "--who", "audience-1", "--first", str(BUYERS)]
        arguments += ["--count", str(VIEWERS), "--witnesses", "2"]
        module = ["loadtest.rehearsal.audience", *arguments]
        audience = children.add(Child.module("audience-1", module, directory))
        stall = Stall(brief.room, brief.sale, shadow.tokens(1, BUYERS))
        load = Probe(brief.websocket_url, stall)
        load.start()
        stack.callback(load.stop)
        scene = Scene(DrillContext(shadow, brief, directory, gateway), load)

        def everybody_came() -> bool:
            assert audience.code is None, audience.tail
            told = watching(directory).viewers  # drills go by what the audience itself tells
            return min(scene.viewers(), told) >= VIEWERS

        wait_until_sync(everybody_came, PATIENCE_S, "the audience is there")
        wait_until_sync(load.is_steady, PATIENCE_S, "people buy")
        yield scene


@asynccontextmanager
async def opened_aside(server: LiveServer, directory: Path) -> AsyncIterator[Scene]:
    """`opened`, while the event loop goes on."""
    scene = opened(server, directory)
    entered = await asyncio.to_thread(scene.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(scene.__exit__, None, None, None)


def _prepared(shadow: Shadow, gateway: Gateway, directory: Path) -> Brief:
    """The sale, which opens at once, and the files that an audience reads."""
    t0_ms = time.time_ns() // 1_000_000 + 200
    sale = sale_of(shadow.run)
    stage(shadow.shop, PLAN, shadow.run, sale, t0_ms)
    brief = Brief(
        run=shadow.run,
        base_url=gateway.through(shadow.shop.base_url),
        websocket_url=gateway.through(shadow.websocket_url),
        key=shadow.shop.key,
        room=shadow.run,
        sale=sale,
        skus=(probing.PRODUCT,),
        t0_ms=t0_ms,
    )
    records.write_json(directory / "plan.json", PLAN.to_json())
    records.write_json(directory / "brief.json", asdict(brief))
    records.write_json(directory / "tokens.json", shadow.tokens(1, BUYERS + VIEWERS))
    return brief
