"""The scripts of a sale: one text each, begun by sale.lua, called by digest, with confirmed writes.

Knows how a script reaches Redis and how durable its effects are; refuses to know what it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from flash_sale.adapters.confirmed import (
    Argument,
    Durable,
    RedisClient,
    Unconfirmed,
    on_one_connection,
)
from flash_sale.errors import SaleStoreUnavailable, SaleUnconfirmed
from flash_sale.model import SaleId

# What a healthy script may be answered by a server in trouble; any other error is a bug of ours.
_TROUBLE = (
    *("OOM", "WRONGTYPE", "NOREPLICAS", "LOADING", "MASTERDOWN", "READONLY", "MISCONF", "BUSY"),
    *("CLUSTERDOWN", "TRYAGAIN", "UNKILLABLE", "NOAUTH", "NOPERM"),
)
# The same, where redis-py has taken the word away and made a class of it.
_IN_TROUBLE = (
    *(OutOfMemoryError, ReadOnlyError, MasterDownError, NoPermissionError),
    *(ClusterDownError, TryAgainError, AskError),
)
_NAMES = (
    *("sale", "stock", "orders", "states", "refused:0", "refused:1", "buyers", "deadlines"),
    *("waiting", "payments", "acts", "ledger"),
)


def keys_of(sale: SaleId) -> list[str]:
    """KEYS of every script, in their order; one slot of a cluster."""
    return [f"{{sale:{sale}}}:{name}" for name in _NAMES]


def key_of(sale: SaleId, name: str) -> str:
    assert name in _NAMES, name
    return f"{{sale:{sale}}}:{name}"


def channel_of(sale: SaleId) -> str:
    """Where the sale's announcements are heard (sharded pub/sub)."""
    return f"{{sale:{sale}}}:events"


def heads_channel_of(sale: SaleId) -> str:
    """The same announcements without their moves: for those who only follow where a sale stands."""
    return f"{channel_of(sale)}.heads"


def sale_of_channel(channel: str) -> SaleId | None:
    """The sale whose announcements come on a channel; None if it is another kind of channel."""
    place = channel.removesuffix(".heads")
    if place.startswith("{sale:") and place.endswith("}:events"):
        return SaleId(place[len("{sale:") : -len("}:events")])
    return None


class Script:
    """One `.lua` file of this package behind the common beginning. Redis may forget it."""

    def __init__(self, name: str, *, flags: str = "") -> None:
        here = files("flash_sale.adapters")
        parts = [here.joinpath(f"{part}.lua").read_text("utf-8") for part in ("sale", name)]
        # The first line makes Redis refuse the whole script, not half of it, when memory is out.
        self.text = "\n".join([f"#!lua flags={flags}" if flags else "#!lua", *parts])
        self.name = name
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self,
        client: RedisClient,
        sale: SaleId,
        args: Sequence[Argument],
        durable: Durable | None = None,
    ) -> list[Any]:
        """Run it. Raises `SaleStoreUnavailable`: it may have run, ask again with the same ids; of
        those `SaleUnconfirmed`: it has.
        """
        keys = keys_of(sale)
        command = (len(keys), *keys, channel_of(sale), *args)
        waiting = durable.waiting if durable is not None and durable.waits else []
        try:
            answer = await self._called(client, keys[0], command, waiting)
            if durable is not None and waiting:
                durable.check(answer[1:])
        except Unconfirmed as error:
            raise SaleUnconfirmed(f"{self.name} of sale {sale}: {error}") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise _fault(self.name, sale, error) from error
        return list(answer[0])

    async def _called(
        self,
        client: RedisClient,
        key: str,
        command: Sequence[Argument],
        waiting: Sequence[Sequence[Argument]],
    ) -> list[Any]:
        """Its answer, and that to `waiting`, which is asked on the same connection."""
        for called in (("EVALSHA", self.digest), ("EVAL", self.text)):
            answers = await on_one_connection(client, key, (*called, *command), *waiting)
            if not isinstance(answers[0], NoScriptError):
                break
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers


def _fault(name: str, sale: SaleId, error: Exception) -> Exception:
    if isinstance(error, ResponseError) and not isinstance(error, (NoScriptError, *_IN_TROUBLE)):
        text = str(error)
        known = any(word in text for word in _TROUBLE)
        if not known:
            return error
    kind = type(error).__name__
    return SaleStoreUnavailable(f"{name} of sale {sale}: {kind}: {error}")
