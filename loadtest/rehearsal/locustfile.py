"""The crowd of a rehearsal, for Locust.

`ONAIR_REHEARSAL_DIR=<run directory> python -m locust -f loadtest/rehearsal/locustfile.py
--headless`, from the directory above `loadtest`. Add `--master --expect-workers N`, and N times
`--worker` instead of `--headless`, to play it in several processes; workers need no directory.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from gevent.event import Event
from locust import User, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import WorkerRunner

from loadtest.rehearsal import audience_stats, schedule
from loadtest.rehearsal.company import Company, run_directory
from loadtest.rehearsal.locust_tab import add_tab
from loadtest.rehearsal.shape import Rehearsal, Seats
from loadtest.rehearsal.users import buying, talking
from loadtest.rehearsal.users.part import Part

os.environ["no_proxy"] = "*"  # what is measured must not pass through one


class Actor(User):
    """One person of the schedule. What cannot be helped by anybody is somebody to spare."""

    abstract = True
    role: ClassVar[str]
    player: talking.Speaker | talking.Watcher | buying.Buyer | None = None

    @task
    def live(self) -> None:
        company = Seats.company
        part = company.part
        person = None if part is None else part.next(self.role)
        if part is None or person is None:
            Event().wait()  # to spare, after a worker was lost
            return
        company.playing += 1
        try:
            self.player = self.cast(part, person)
            self.player.play()
        finally:
            company.playing -= 1
        part.over.wait()
        raise StopUser

    def cast(
        self, part: Part, person: schedule.Person
    ) -> talking.Speaker | talking.Watcher | buying.Buyer:
        return talking.Speaker(part, person)

    def on_stop(self) -> None:
        if self.player is not None:
            self.player.leave()


class Buyer(Actor):
    role = schedule.BUYER

    def cast(self, part: Part, person: schedule.Person) -> buying.Buyer:
        return buying.Buyer(part, person, room=False)


class Talker(Actor):
    role = schedule.TALKER


class Liker(Actor):
    role = schedule.LIKER


class Sharer(Actor):
    role = schedule.SHARER


class Host(Actor):
    role = schedule.HOST


class Viewer(Actor):
    role = schedule.VIEWER

    def cast(self, part: Part, person: schedule.Person) -> talking.Watcher:
        return talking.Watcher(part, person)


@events.init.add_listener  # type: ignore[untyped-decorator]
def on_init(environment: Environment, **_: Any) -> None:
    directory = run_directory()
    company = Company(environment, directory)
    Seats.company = Rehearsal.company = company
    Seats.names = {
        each.role: each.__name__ for each in (Buyer, Talker, Liker, Sharer, Host, Viewer)
    }
    environment.dispatcher_class = Seats
    environment.process_exit_code = 0  # what the server did is judged elsewhere
    if environment.web_ui is not None:
        add_tab(environment, company)
    if directory is not None and not isinstance(environment.runner, WorkerRunner):
        audience_stats.follow(environment, directory)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def on_test_stop(**_: Any) -> None:
    Seats.company.stopped()


@events.user_error.add_listener  # type: ignore[untyped-decorator]
def on_user_error(user_instance: User, exception: BaseException, **_: Any) -> None:
    """A mistake of ours: it counts against the generator."""
    part = Seats.company.part
    if part is not None:
        part.recorder.errors += 1
