"""The life of rehearsals: opened one at a time, watched, stopped, purged, and what each found.

Knows the records, the hall and the wing. Refuses to know HTTP, and what a plan means.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from redis.exceptions import RedisError

from flash_sale.errors import SaleStoreUnavailable
from rooms.model import EVERY_ROOM, Role
from server.database.engine import Database
from server.database.rehearsal_records import RehearsalRecords
from server.database.rehearsal_words import Occupied, Run, RunAct, RunEvent, RunState
from server.rehearsal import observe
from server.rehearsal.hall_client import HallClient
from server.rehearsal.keys import KEY, is_run, new_run, root_secret, run_secret, user_of
from server.rehearsal.ports import Hall, HallRefused, HallUnavailable, ShadowParts, Wing
from server.rehearsal.shadow import missing_stores, shadow_settings
from server.settings import Settings
from server.tokens import Tokens

HALL_WITHIN_S: Final = 5.0
TOKEN_TTL_S: Final = 86_400
TOKENS_AT_ONCE: Final = 50  # before others have their turn on the loop
WHY_CHARS_MAX: Final = 500
TAIL_CHARS: Final = 300  # of what a generator wrote last


class NoWing:
    """Where this process serves no shadow shop."""

    async def parts(self, run: str) -> ShadowParts:
        raise HallUnavailable(f"this process has no part of {run}")


class Rehearsals:
    """All rehearsals of a server. Every call may raise `DatabaseUnavailable`.

    Those that need the hall or the wing raise `HallRefused` and `HallUnavailable` too.
    """

    def __init__(
        self,
        settings: Settings,
        records: RehearsalRecords,
        hall: Hall,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._records = records
        self._hall = hall
        self._now_ms = now_ms
        self.wing: Wing = NoWing()

    # who, and under which key

    def key_of(self, run_id: str) -> str:
        """The key of a run: for its own routes here, and for its shadow shop."""
        return run_secret(root_secret(self._settings), run_id, KEY)

    def is_key(self, run_id: str, given: str) -> bool:
        """Whether somebody holds the key of that run; whether there is one is not asked."""
        expected = self.key_of(run_id).encode()
        return is_run(run_id) and hmac.compare_digest(given.encode("utf-8", "replace"), expected)

    async def tokens(
        self, run_id: str, first: int, count: int, role: Role = Role.VIEWER
    ) -> list[list[str]]:
        """Users `first` and following with a token each, for the shadow shop of a run."""
        issuer = Tokens(shadow_settings(self._settings, run_id).token_secret)
        rooms = [] if role is Role.VIEWER else [EVERY_ROOM]
        issued = []
        for number in range(first, first + count):
            user, name = user_of(number), f"R{number:06d}"
            issued.append([user, issuer.issue(user, role, rooms, name, TOKEN_TTL_S)])
            if len(issued) % TOKENS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return issued

    # what there is

    async def find(self, run_id: str) -> Run | None:
        run = await self._records.find(run_id) if is_run(run_id) else None
        return None if run is None else await self._as_it_is(run)

    async def page(self, before: int | None, limit: int) -> list[Run]:
        """Newest first, those before that number."""
        runs = await self._records.page(before, limit)
        return [await self._as_it_is(run) for run in runs]

    async def acts(self, run_id: str) -> list[RunAct]:
        return await self._records.acts(run_id)

    # from the first to the last

    async def open(self, title: str, plan: Mapping[str, Any], driven: bool, actor: str) -> Run:
        """Open the shadow shop for a new run; it takes visitors when this returns.

        With `driven` this server starts the generator too. Raises `Occupied` when there is
        another; `HallRefused` and `HallUnavailable` when it could not be opened: the run has
        failed then, and occupies nothing.
        """
        missing = missing_stores(self._settings)
        if missing:
            raise HallRefused(f"set {' and '.join(missing)}: rehearsals need stores of their own")
        current = await self._records.current()
        if current is not None:
            raise Occupied(current.id)
        now_ms = self._now_ms()
        run = Run(
            id=new_run(),
            number=0,
            title=title,
            state=RunState.OPEN,
            plan=plan,
            driven=driven,
            created_at_ms=now_ms,
        )
        run = await self._records.create(run, self._act(actor, "open", driven=driven))
        try:
            await self._prepare(run)
        except (HallRefused, HallUnavailable) as error:
            await self._give_up(run, str(error), actor)
            raise
        found = await self._records.find(run.id)
        assert found is not None
        return found

    async def _prepare(self, run: Run) -> None:
        await self._ask_patiently("open", run)
        await self._records.move(run.id, None, self._now_ms(), opened_at_ms=self._now_ms())
        await self.wing.parts(run.id)
        if run.driven:
            await self._ask_patiently("drive", run)

    async def _give_up(self, run: Run, why: str, actor: str) -> None:
        """What was begun is undone as far as the hall can; another run may be opened."""
        await self._fail(run, why)
        with contextlib.suppress(HallRefused, HallUnavailable):  # the next one begins empty
            await self._close(run)
        await self._records.purged(run.id, self._now_ms(), self._act(actor, "purge"))

    async def heard(self, run: Run, progress: Mapping[str, Any]) -> bool:
        """Keep what the generator says of its progress; True: there is nothing to go on with."""
        now_ms = self._now_ms()
        told = await self._records.move(
            run.id, RunEvent.PROGRESS, now_ms, heard_at_ms=now_ms, progress=progress
        )
        if told is None or told.shut_at_ms is not None:
            return True
        return told.state in (RunState.STOPPED, RunState.FAILED)

    async def failed(self, run: Run, why: str) -> None:
        """The generator gave up, and says why."""
        await self._fail(run, why)

    async def stop(self, run: Run, actor: str) -> Run:
        """Ask the generator to end; it is told with its next word. Repeated: nothing changes."""
        act = self._act(actor, "stop")
        stopped = await self._records.move(run.id, RunEvent.STOP, self._now_ms(), act)
        return stopped or run

    async def purge(self, run: Run, actor: str) -> dict[str, Any]:
        """Close the shadow shop and delete all of its data; what was deleted.

        The history, the verdict and the reports stay. Repeated it gives the first answer again.
        """
        if run.purged_at_ms is None:
            interrupts = run.driven and not run.state.is_over and actor != run.id
            if interrupts:  # its generator will purge too, and may be the quicker one
                await self.stop(run, actor)
            now_ms = self._now_ms()
            await self._records.move(run.id, RunEvent.PURGE, now_ms, shut_at_ms=now_ms)
            if interrupts:
                await self._ask_patiently("stop_drive", run)
            act = self._act(actor, "purge", **await self._close(run))
            await self._records.purged(run.id, act.at_ms, act)
        return await self._records.purge_of(run.id)  # somebody else may have been quicker

    async def _close(self, run: Run) -> dict[str, Any]:
        return await self._ask_patiently("close", run)

    async def _ask_patiently(self, verb: str, run: Run) -> dict[str, Any]:
        """For what may take as long as opening does."""
        within_s = float(self._settings.limits.rehearsal_open_within_s)
        return await self._hall.ask(verb, within_s=within_s, run=run.id)

    # while it runs

    @property
    def allows_drills(self) -> bool:
        return self._settings.rehearsal_drills

    async def observed(self, run: Run) -> dict[str, Any]:
        """One look at the shadow shop: `observe.Look`, its processes and its environment."""
        parts = await self.wing.parts(run.id)
        try:
            looked, info = await asyncio.gather(
                observe.look(parts, self._now_ms()), parts.redis.info("server")
            )
        except (RedisError, OSError, SaleStoreUnavailable) as error:
            raise HallUnavailable(f"the rehearsal's Redis is away: {error}") from error
        told = await self._hall.ask("processes", within_s=HALL_WITHIN_S)
        processes = observe.processes_of(told["processes"])
        return {
            **asdict(looked),
            "at_ms": self._now_ms(),  # of the processes: shares are reckoned from two looks
            "processes": [asdict(one) for one in processes],
            "environment": observe.environment_of(parts.settings, _version(info)),
        }

    async def drill(self, run: Run, kind: str, seconds: int, actor: str) -> dict[str, Any]:
        """A fault on purpose; it has begun when this returns. Raises `HallRefused`."""
        act = self._act(actor, "drill", what=kind, seconds=seconds)
        await self._records.move(run.id, None, act.at_ms, act)
        values = {"run": run.id, "kind": kind, "seconds": seconds}
        return await self._hall.ask("drill", within_s=HALL_WITHIN_S, **values)

    # what it found

    async def found(
        self,
        run: Run,
        body: bytes,
        verdict: str,
        sentence: Mapping[str, Any],
        actor: str,
    ) -> Run:
        """Keep the findings, as they are; the run is done, unless it had ended otherwise."""
        await self.keep_report(run, "json", body)
        act = self._act(actor, "report", verdict=verdict)
        changes = {"verdict": verdict, "sentence": sentence}
        done = await self._records.move(run.id, RunEvent.REPORT, act.at_ms, act, **changes)
        return done or run

    async def keep_report(self, run: Run, kind: str, body: bytes) -> None:
        """Keep one form of the report, in the place of what was there."""
        kept_max = self._settings.limits.rehearsal_reports_kept
        await self._records.keep_report(run.id, kind, body, self._now_ms(), kept_max=kept_max)

    async def report(self, run: Run, kind: str) -> bytes | None:
        return await self._records.report(run.id, kind)

    # ends that nobody asked for

    async def _as_it_is(self, run: Run) -> Run:
        """The run; as failed, if its generator has ended, or been silent for too long."""
        if run.state.is_over:
            return run
        silent_s = self._settings.limits.rehearsal_silent_s
        heard: Sequence[int | None] = (run.created_at_ms, run.opened_at_ms, run.heard_at_ms)
        last_ms = max(at_ms for at_ms in heard if at_ms is not None)
        if self._now_ms() - last_ms > silent_s * 1000:
            return await self._fail(run, f"nothing was heard of its generator for {silent_s} s")
        if run.driven and (why := await self._why_ended(run)):
            return await self._fail(run, why)
        return run

    async def _why_ended(self, run: Run) -> str:
        """What became of the generator that this server runs; empty: it runs, or nobody knows."""
        try:
            told = (await self._hall.ask("status", within_s=HALL_WITHIN_S))["drive"]
        except HallUnavailable:
            return ""
        if told is None or told["run"] != run.id or told["running"]:
            return ""
        tail = " ".join(told["tail"].split())[-TAIL_CHARS:]
        return f"its generator ended with {told['exit_code']} before it had reported: {tail}"

    async def _fail(self, run: Run, why: str) -> Run:
        why = why[:WHY_CHARS_MAX]
        act = self._act(run.id, "fail", why=why)
        return await self._records.move(run.id, RunEvent.FAIL, act.at_ms, act, why=why) or run

    def _act(self, actor: str, kind: str, **detail: Any) -> RunAct:
        return RunAct(self._now_ms(), actor, kind, detail)


def _version(info: Mapping[str, Any]) -> str:
    """The version of a Redis; a cluster tells that of each of its nodes."""
    if "redis_version" in info:
        return str(info["redis_version"])
    found = [str(one["redis_version"]) for one in info.values() if isinstance(one, Mapping)]
    return ", ".join(sorted(set(found)))


def open_rehearsals(
    settings: Settings, database: Database, now_ms: Callable[[], int]
) -> Rehearsals:
    """The rehearsals of this server, with the hall of its data directory."""
    return Rehearsals(settings, RehearsalRecords(database), HallClient(settings.data_dir), now_ms)
