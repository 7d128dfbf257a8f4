"""An audience process of a rehearsal, in a directory of its own, in front of a real server."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtest.rehearsal.plan import Generator, Item, Phases, Plan, Promise
from loadtest.rehearsal.records import Brief, Pulse, Sample, read_lines, read_samples, write_json
from loadtest.samples import Spread
from tests.support.live_server import LiveServer
from tests.support.processes import Program
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

WITNESSES = 20
FIRST = 5  # others play the tokens before
WITHIN_S = 120.0
WHO = "audience-1"


class Playing:
    """One process of so many viewers, once it is started."""

    def __init__(
        self, server: LiveServer, directory: Path, room: str, *, viewers: int, arrive_s: int = 1
    ) -> None:
        self.directory = directory / "run"
        self.directory.mkdir()
        self.room, self.viewers = room, viewers
        self._home = directory
        self._programs: list[Program] = []
        plan = Plan(
            title="A test's big day",
            items=(Item("mug", "Mug", 10, 100),),
            promise=Promise(viewers=viewers, arrive_s=arrive_s),
            phases=Phases(warm_s=1),
            generator=Generator(witnesses=WITNESSES, connect_per_s=2_000),
        )
        brief = Brief(
            run="rh-test",
            base_url=server.base_url,
            websocket_url=server.ws_url,
            key="",
            room=room,
            sale="",
            skus=(),
            t0_ms=round(time.time() * 1000) + 5_000 + arrive_s * 1_000,
        )
        tokens = [[f"u{number}", server.token(f"u{number}")] for number in range(viewers + FIRST)]
        write_json(self.directory / "plan.json", plan.to_json())
        write_json(self.directory / "brief.json", asdict(brief))
        write_json(self.directory / "tokens.json", tokens)

    def start(self, *arguments: str) -> None:
        named = ["--dir", str(self.directory), "--who", WHO, "--first", str(FIRST)]
        named += ["--count", str(self.viewers), "--witnesses", str(WITNESSES), *arguments]
        program = Program("loadtest.rehearsal.audience", *named, directory=self._home)
        self._programs.append(program)

    @property
    def program(self) -> Program:
        return self._programs[-1]

    def live(self) -> dict[str, Any]:
        """What it showed last; nothing before its first second."""
        return self._json(f"{WHO}.live.json")

    def told(self) -> dict[str, Any]:
        """What its witnesses said last."""
        return self._json(f"witness-{WHO}.json")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.directory / name
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    async def until(self, name: str, least: int, description: str) -> None:
        """Wait for a figure of this moment, or of what the witnesses heard."""

        def is_there() -> bool:
            live = self.live()
            heard = live.get("heard", {})
            return bool(heard.get(name, live.get(name, -1)) >= least)

        await self._wait(is_there, description)

    async def until_all_heard(self, comments: int) -> None:
        """Wait until the witnesses heard each of so many events, and nobody is behind them."""

        def is_heard() -> bool:
            live = self.live()
            return bool(live["heard"]["events"] >= WITNESSES * comments and live["behind"] == 0)

        await self._wait(is_heard, "everybody heard all")

    async def _wait(self, predicate: Callable[[], bool], description: str) -> None:
        def is_there() -> bool:
            assert self.program.process.poll() is None, self.program.errors
            return predicate()

        try:
            await wait_until(is_there, WITHIN_S, description)
        except AssertionError as error:
            shown = {name: value for name, value in self.live().items() if name != "seconds"}
            raise AssertionError(f"{error}; it shows {shown}") from None

    def stop(self) -> dict[str, Any]:
        """Ask it to go home; what its witnesses say in the end."""
        self.program.process.terminate()
        assert self.program.wait() == 0, self.program.errors
        return self.told()

    def end(self) -> None:
        for program in self._programs:
            program.end()

    def samples(self, kind: str) -> list[Sample]:
        return [sample for sample in read_samples(self.directory) if sample.kind == kind]

    def check_nothing_was_missed(self, told: dict[str, Any]) -> None:
        faults = ("skips", "missing", "repeated", "disorder", "unresumed", "never_joined")
        assert {name: told[name] for name in faults} == dict.fromkeys(faults, 0), told

    def figures(self, rss_bytes: int, worker_rss_bytes: int) -> str:
        """What it cost, for whoever looks at the test's output."""
        connects = self.samples("connect")
        ends_us = [sample.intended_us + sample.took_us for sample in connects]
        joined_s = (max(ends_us) - min(sample.intended_us for sample in connects)) / 1_000_000
        pulses = list(read_lines(self.directory, "health-*.jsonl", Pulse))
        return (
            f"{self.viewers} viewers joined in {joined_s:.1f} s, connect "
            f"{Spread.of(sample.took_us / 1_000 for sample in connects)}; audience "
            f"{rss_bytes / 2**20:.0f} MiB, worker {worker_rss_bytes / 2**20:.0f} MiB; CPU of the "
            f"audience a second: {[pulse.cpu_share for pulse in pulses]}, lag ms "
            f"{[pulse.lag_ms for pulse in pulses]}; delivery {self.told()['late_ms']}"
        )


@asynccontextmanager
async def everybody_inside(
    server: LiveServer, directory: Path, viewers: int
) -> AsyncIterator[Playing]:
    """So many viewers in a room of their own; their process ends with the context."""
    playing = Playing(server, directory, await server.new_room(), viewers=viewers)
    playing.start()
    try:
        await playing.until("viewers", viewers, "everybody is in the room")
        yield playing
    finally:
        playing.end()


async def speaker(server: LiveServer, room: str, user: str = "host") -> WireClient:
    token = server.token(user, role="host")
    client, _ = await WireClient.join(server.ws_url, f"room:{room}", token)
    return client


async def say(client: WireClient, room: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        await client.rpc("comment.send", {"room": room, "text": f"event {number}"})
