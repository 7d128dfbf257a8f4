"""One web worker: `python -m server.worker`, started by the supervisor and by nobody else."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
from functools import partial
from typing import Any, cast

import uvicorn

from server.app import App, create_app
from server.connection import HandshakeProtocol
from server.http_door import http_door
from server.listening import BACKLOG, bound_unsent
from server.parentage import HAND_OVER, Inheritance, parent_gone
from server.porter import Porter
from server.settings import Settings

_LOG = logging.getLogger("onair.worker")


class WorkerServer(uvicorn.Server):
    """uvicorn, with onair's own end: viewers are closed in waves before the sockets go."""

    def __init__(self, config: uvicorn.Config, app: App, inheritance: Inheritance) -> None:
        super().__init__(config)
        self._app = app
        self._inheritance = inheritance
        self._life: asyncio.Future[None] | None = None
        self._porters: list[Porter] = []
        self._succeeded = False
        self.failed = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None
        await super().startup([])
        if self.should_exit:
            return
        self._porters = [self._porter(one) for one in sockets]
        self.servers = cast(Any, self._porters)  # for uvicorn, which closes them at the end
        self._life = parent_gone(self._inheritance.life_fd)
        self._life.add_done_callback(self._parent_ended)
        asyncio.get_running_loop().add_signal_handler(HAND_OVER, self._hand_over)
        assert self._app.worker is not None
        for task in self._app.worker.tasks:
            task.add_done_callback(self._task_ended)
        _calm_the_collector()
        self._inheritance.report_ready()

    def _porter(self, listening: socket.socket) -> Porter:
        protocol_class = cast(Any, self.config.http_protocol_class)
        make_protocol = partial(
            protocol_class,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        assert self._app.worker is not None
        per_turn_max = self._app.worker.settings.limits.accepts_per_turn_max
        return Porter(listening, make_protocol, per_turn_max=per_turn_max, backlog=BACKLOG)

    def _parent_ended(self, life: asyncio.Future[None]) -> None:
        if not life.cancelled():
            self.should_exit = True

    def _hand_over(self) -> None:
        """Another process stands at the entrance: newcomers are its own from now on."""
        self._succeeded = self.should_exit = True
        for porter in self._porters:
            porter.hand_over()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """The feed, the wheel and the keeper never end; without one of them a worker is no use."""
        if not task.cancelled():
            _LOG.critical("task %s ended", task.get_name(), exc_info=task.exception())
            self.failed = self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Newcomers are refused with 503 as long as anybody is to be closed: a load balancer sends
        them elsewhere, and a client comes back later. A refused connection would tell neither.
        """
        if self._life is not None:
            self._life.cancel()
        # No connection is used for another request: its next one would meet a closed socket.
        self.server_state.default_headers = [
            *self.server_state.default_headers,
            (b"connection", b"close"),
        ]
        if self._app.worker is not None:
            draining = self._app.worker.drain(succeeded=self._succeeded)
            await asyncio.gather(draining, self._app.wing.drain())
        for porter in self._porters:
            porter.close()
        await super().shutdown(sockets)


def _calm_the_collector() -> None:
    """What was made at the start stays: no collection needs to walk it again.

    A full collection stopped the loop for over 100 ms while thousands connected. A connection
    leaves no reference cycle behind, so collections may be rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def config_of(app: App, settings: Settings) -> uvicorn.Config:
    """uvicorn's settings; its own WebSocket features are off, they are ours."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=http_door(settings.limits),
        ws=HandshakeProtocol,
        lifespan="on",
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        backlog=BACKLOG,
    )


def main() -> None:
    """Serve on the inherited socket until told to stop or until the supervisor is gone."""
    inheritance = Inheritance.from_arguments(sys.argv[1:])
    settings = Settings.from_env(os.environ)
    redis_url = inheritance.redis_url or settings.redis_url
    database_url = inheritance.database_url or settings.database_url
    assert redis_url is not None
    assert database_url is not None
    app = create_app(settings, redis_url=redis_url, database_url=database_url)
    server = WorkerServer(config_of(app, settings), app, inheritance)
    entrance = inheritance.listening_socket()
    bound_unsent(entrance, settings.limits.unsent_bytes_max)
    server.run([entrance])
    if not server.started or server.failed:
        sys.exit(3)


if __name__ == "__main__":
    main()
