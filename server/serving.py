"""What `onair serve` and `onair demo` do: settings, the lock, the log, then the supervisor."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Mapping
from functools import partial

from server import demo as demo_shop
from server import listening, secrets_file
from server.instance_lock import InstanceLock, prepare_data_dir
from server.settings import Settings
from server.sharing.policies import load_policies
from server.supervisor import Supervisor
from server.tokens import Tokens
from server.word_file import text_filter


def serve(environ: dict[str, str]) -> None:
    """Run the server until it is told to stop. `BadSetting` without strong secrets."""
    settings = Settings.from_env(environ)
    settings.check_secrets()
    _check_files(settings)
    _set_up_log(settings)
    with InstanceLock(prepare_data_dir(settings.data_dir)):
        asyncio.run(_supervise(settings, environ))


def demo(environ: dict[str, str]) -> None:
    """Run the server with a room, products, a sale and kept secrets until it is told to stop."""
    settings = Settings.from_env(environ)
    _check_files(settings)
    _set_up_log(settings)
    data_dir = prepare_data_dir(settings.data_dir)
    with InstanceLock(data_dir):
        made_up = {"ONAIR_GUESTS_MAY_SPEAK": "1", "ONAIR_PAYMENT_PROVIDER": "demo"}
        environ = made_up | secrets_file.with_kept(environ, secrets_file.read_or_make(data_dir))
        settings = Settings.from_env(environ)
        settings.check_secrets()
        asyncio.run(_supervise(settings, environ, is_demo=True))


def _check_files(settings: Settings) -> None:
    """`BadSetting` for what workers would not start with: it stops the start, not a worker."""
    load_policies(settings.channel_policies_file)
    text_filter(settings.blocked_words_file)


async def _supervise(
    settings: Settings, environ: Mapping[str, str], *, is_demo: bool = False
) -> None:
    os.umask(0o077)  # what is written from here on, the database too, is for this user only

    def say_ready(base_url: str, port: int) -> None:
        gc.freeze()  # what was imported is not walked again: at the end that takes 0.3 s
        print(f"onair ready {base_url}", flush=True)
        if is_demo:
            network_url = listening.network_url(settings.host, port)
            print(demo_shop.links(base_url, Tokens(settings.token_secret), network_url), flush=True)

    seed = partial(demo_shop.seed, settings) if is_demo else None
    await Supervisor(settings, environ, on_ready=say_ready, seed=seed).run()


def _set_up_log(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if settings.log_level == "info":
        logging.getLogger("alembic").setLevel(logging.WARNING)  # it talks at every start
