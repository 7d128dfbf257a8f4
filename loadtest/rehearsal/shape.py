"""When Locust brings its users in: all of them before the sale, until the last of them is home.

The shape says only how many there are. Who comes when is the schedule's business.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import ClassVar, Final

from locust import LoadTestShape, User
from locust.dispatch import UsersDispatcher
from locust.runners import WorkerNode

from loadtest.rehearsal.company import CannotRun, Company
from loadtest.rehearsal.users.clock import now_us

CANNOT_RUN: Final = 3  # exit code

_LOG: Final = logging.getLogger("onair.rehearsal")


class Seats(UsersDispatcher):
    """Gives worker k of n the users k, k + n, ... of the schedule, so that kinds match people."""

    company: ClassVar[Company]
    names: ClassVar[dict[str, str]] = {}  # of user classes, by role

    def __init__(self, worker_nodes: list[WorkerNode], user_classes: list[type[User]]) -> None:
        super().__init__(worker_nodes, user_classes)
        self.company.seat([node.id for node in self._worker_nodes])

    def _user_gen(self) -> Iterator[str | None]:
        for person in self.company.people:
            yield self.names[person.role]
        while True:
            yield None


class Rehearsal(LoadTestShape):
    """Everybody at once; nobody any more when the plan is over."""

    company: ClassVar[Company]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = 0

    def tick(self) -> tuple[int, float] | None:
        try:
            if not self._count:
                self._count = self.company.begin()
        except CannotRun as error:
            _LOG.error("the rehearsal cannot be played: %s", error)
            assert self.runner is not None
            self.runner.environment.process_exit_code = CANNOT_RUN
            return None
        if now_us() < self.company.ends_us:
            return self._count, self._count
        self._count = 0
        self.company.finish()
        return None
