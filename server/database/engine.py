"""Transactions on a bounded set of threads, the same on SQLite and PostgreSQL.

Knows how each engine begins, waits and fails; refuses to know what is stored.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from server.database.dialects import READS_ONLY, make_engine, sqlite_url
from server.database.errors import DatabaseUnavailable, UnknownSchema, unavailable_because

T = TypeVar("T")

WAITING_MAX = 256  # calls that may wait for a thread; one more is refused at once
ANSWER_GRACE_S = 2  # the engine's own time limits fire first and give the better reason

__all__ = ["Database", "DatabaseUnavailable", "UnknownSchema", "sqlite_url"]


class Database:
    """One SQL database for one event loop. Every wait ends within about `within_s` seconds.

    Nothing is opened before the first call. Raises `ValueError` if the URL is not usable at all.
    """

    def __init__(self, url: str, *, threads_max: int, within_s: int) -> None:
        self._engine = make_engine(url, connections_max=threads_max, within_s=within_s)
        self._threads_max = threads_max
        self._within_s = within_s
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="sql")
        self._free_threads = asyncio.Semaphore(threads_max)
        self._waiting = 0
        self._closed = False
        # SQLite has one writer. Our own threads line up here, where the wait is exact and fair;
        # other processes are waited for by SQLite, which polls.
        self._writer = threading.Lock() if self.is_sqlite else None

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    async def run(
        self,
        work: Callable[[sa.Connection], T],
        *,
        attempt: str = "use the database",
        reads_only: bool = False,
    ) -> T:
        """Run `work` in one transaction on a thread: committed if it returns, else rolled back.

        A cancelled caller never splits a transaction: work that has begun ends in its thread,
        one way or the other. `work` may be called once only, must not keep the connection, and
        must not write with `reads_only` (on SQLite it then does not wait for the writer).
        Raises `DatabaseUnavailable`, naming the `attempt`, and whatever `work` raises.
        """
        deadline = time.monotonic() + self._within_s
        await self._take_thread(attempt)
        try:
            answer = asyncio.wrap_future(
                self._threads.submit(self._transact, work, attempt, reads_only, deadline)
            )
        except RuntimeError as error:  # the pool was shut down while this call waited
            self._free_threads.release()
            raise DatabaseUnavailable(attempt, "the database is closed") from error
        answer.add_done_callback(self._give_thread_back)
        done, _ = await asyncio.wait({answer}, timeout=self._within_s + ANSWER_GRACE_S)
        if not done:
            why = f"no answer within {self._within_s + ANSWER_GRACE_S} s"
            raise DatabaseUnavailable(attempt, why, may_be_done=not reads_only)
        return answer.result()

    async def ping(self) -> None:
        """Return if the database answers and has its tables; else raise `DatabaseUnavailable`."""
        attempt = "reach the database"
        try:
            await self.run(_read_revision, attempt=attempt, reads_only=True)
        except exc.DBAPIError as error:
            why = f"its tables are not there, migrate it first ({error.orig})"
            raise DatabaseUnavailable(attempt, why) from error

    async def close(self) -> None:
        """Refuse new work, wait for the work that runs (bounded), close every connection."""
        if self._closed:
            return
        self._closed = True
        self._threads.shutdown(wait=False)
        try:
            async with asyncio.timeout(self._within_s):
                for _ in range(self._threads_max):
                    await self._free_threads.acquire()
        except TimeoutError:
            pass  # a thread hangs on a dead peer: its connection ends with the process
        self._engine.dispose()

    async def _take_thread(self, attempt: str) -> None:
        if self._closed:
            raise DatabaseUnavailable(attempt, "the database is closed")
        if self._waiting >= WAITING_MAX:
            raise DatabaseUnavailable(attempt, f"{WAITING_MAX} calls wait for a thread already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._within_s):
                await self._free_threads.acquire()
        except TimeoutError:
            why = f"every thread was busy for {self._within_s} s"
            raise DatabaseUnavailable(attempt, why) from None
        finally:
            self._waiting -= 1

    def _give_thread_back(self, answer: asyncio.Future[Any]) -> None:
        self._free_threads.release()
        if not answer.cancelled():
            answer.exception()  # seen: the caller may have gone, the transaction was rolled back

    def _transact(
        self,
        work: Callable[[sa.Connection], T],
        attempt: str,
        reads_only: bool,
        deadline: float,
    ) -> T:
        committing = False
        try:
            with self._turn_to_write(attempt, reads_only, deadline), self._engine.connect() as bare:
                connection = bare.execution_options(**{READS_ONLY: reads_only})
                transaction = connection.begin()
                try:
                    result = work(connection)
                    committing = True
                    transaction.commit()
                except BaseException:
                    transaction.rollback()
                    raise
                return result
        except (exc.DBAPIError, exc.TimeoutError) as error:
            why = unavailable_because(error)
            if why is None:
                raise
            lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
            maybe = committing and lost and not reads_only
            raise DatabaseUnavailable(attempt, why, may_be_done=maybe) from error

    @contextmanager
    def _turn_to_write(self, attempt: str, reads_only: bool, deadline: float) -> Iterator[None]:
        if self._writer is None or reads_only:
            yield
            return
        if not self._writer.acquire(timeout=max(0.0, deadline - time.monotonic())):
            why = f"other writers held it for {self._within_s} s"
            raise DatabaseUnavailable(attempt, why)
        try:
            yield
        finally:
            self._writer.release()


def _read_revision(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT version_num FROM alembic_version")).all()
