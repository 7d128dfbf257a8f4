"""What the shadow shop of a run is made of: the shop's settings, with everything real replaced.

Every process of the server makes the same ones from its own settings and the run's id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from server.database.engine import sqlite_url
from server.redis_socket import socket_path, socket_url
from server.rehearsal.keys import KEY, SHARES, TOKENS, root_secret, run_secret
from server.settings import Settings

PREFIX: Final = "/rehearsal"  # of the paths of the shadow shop
DIRECTORY_NAME: Final = "rehearsal"
DATABASE_NAME: Final = "onair.db"
EXTERNAL: Final = {  # a store of the shop's that is not embedded, and what a rehearsal needs then
    "redis_url": "ONAIR_REHEARSAL_REDIS_URL",
    "database_url": "ONAIR_REHEARSAL_DATABASE_URL",
}


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a run's data is: never where the shop's is."""

    redis_url: str
    database_url: str


def rehearsals_dir(settings: Settings) -> Path:
    """Below the data directory of the shop: everything of a rehearsal in it may be deleted."""
    return settings.data_dir.absolute() / DIRECTORY_NAME


def missing_stores(settings: Settings) -> list[str]:
    """The variables without which this server cannot rehearse."""
    return [
        variable
        for name, variable in EXTERNAL.items()
        if getattr(settings, name) and not getattr(settings, f"rehearsal_{name}")
    ]


def _durability(settings: Settings) -> str:
    """The embedded Redis of a run has no replicas that could confirm anything."""
    alone = settings.rehearsal_redis_url is None and settings.durability == "replicated"
    return "always" if alone else settings.durability


def shadow_settings(settings: Settings, run: str) -> Settings:
    """The settings of a run's shadow shop; `settings` are the shop's.

    No secret, no store and no address outside is the shop's. Buyers may pay by the demo's button
    and by messages signed with the run's key; a refund is a line in the books and asks nobody. All
    visitors may come from one address.
    """
    secret = root_secret(settings)
    key = run_secret(secret, run, KEY)
    limits = settings.limits
    return replace(
        settings,
        data_dir=rehearsals_dir(settings) / run,
        redis_url=settings.rehearsal_redis_url,
        database_url=settings.rehearsal_database_url,
        rehearsal_redis_url=None,
        rehearsal_database_url=None,
        durability=_durability(settings),
        ledger_workers=1,
        token_secret=run_secret(secret, run, TOKENS),
        token_jwks=None,
        api_key=key,
        share_secret=run_secret(secret, run, SHARES),
        payment_provider="demo",
        payment_secret=key,
        payment_refund_url="",
        public_url=f"{settings.public_url}{PREFIX}",
        insecure=False,
        rehearsal=run,
        base_path=PREFIX,
        limits=replace(limits, accepts_per_address_per_s=limits.accepts_per_s),
    )


def stores_of(shadow: Settings) -> Stores:
    """Where the data of these settings of a shadow shop is."""
    assert shadow.rehearsal
    return Stores(
        redis_url=shadow.redis_url or socket_url(socket_path(shadow.data_dir)),
        database_url=shadow.database_url or sqlite_url(shadow.data_dir / DATABASE_NAME),
    )
