"""The stream of a sale's moves on Redis: one consumer group, trimmed below what is committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from flash_sale.adapters.confirmed import (
    Argument,
    Durable,
    RedisClient,
    Unconfirmed,
    on_one_connection,
)
from flash_sale.adapters.script import key_of
from flash_sale.adapters.wire import Unreadable, parse_moves
from flash_sale.errors import SaleStoreUnavailable, SaleUnconfirmed
from flash_sale.model import SaleId
from flash_sale.store import StreamEntry


class RedisLedgerStream:
    """Implements `flash_sale.store.LedgerStream` for one group of writers.

    With `durable`, an entry is handed over only when it is as safe as the mode says: what a
    failover may still take away must not stand in the ledger. Whoever only looks on needs none.
    """

    def __init__(
        self, client: RedisClient, durable: Durable | None = None, *, group: str = "ledger"
    ) -> None:
        self._client = client
        self._durable = durable if durable is not None and durable.waits else None
        self._group = group

    async def read(self, sale: SaleId, consumer: str, most: int) -> list[StreamEntry]:
        """Entries nobody has read yet, oldest first.

        If they are not confirmed in time they are pending: ask for those next.
        """
        # To be given entries is a write (they become pending), after that of the entries.
        return await self._read_group(sale, consumer, most, ">", self._durable)

    async def pending(
        self, sale: SaleId, consumer: str, most: int, idle_ms: int
    ) -> list[StreamEntry]:
        """Own entries that were read and not committed, and others' that lay idle so long."""
        own = await self._read_group(sale, consumer, most, "0", None)
        if own:
            return own if self._durable is None else await self._claimed_again(sale, consumer, own)
        reply = await self._grouped(
            sale,
            *("XAUTOCLAIM", self._key(sale), self._group, consumer, idle_ms, "0", "COUNT", most),
            durable=self._durable,
        )
        return [_entry(sale, entry) for entry in reply[1] if entry[1]]

    async def _claimed_again(
        self, sale: SaleId, consumer: str, entries: Sequence[StreamEntry]
    ) -> list[StreamEntry]:
        """To be given own entries again is no write; to claim them is one.

        A server that was promoted in between may have none of them, or others of the same id.
        """
        claim: list[Argument] = ["XCLAIM", self._key(sale), self._group, consumer, 0]
        claim += [entry.id for entry in entries]
        claimed = await self._grouped(sale, *claim, durable=self._durable)
        return [_entry(sale, entry) for entry in claimed if entry and entry[1]]

    async def committed(self, sale: SaleId, entry_ids: Sequence[str]) -> None:
        """Forget entries whose moves the ledger holds, and trim the stream below them."""
        if not entry_ids:
            return
        await self._grouped(sale, "XACK", self._key(sale), self._group, *entry_ids)
        lowest = await self._lowest_needed(sale)
        if lowest is not None:
            await self._grouped(sale, "XTRIM", self._key(sale), "MINID", "=", lowest)

    async def lag(self, sale: SaleId) -> int:
        """Entries that are not committed yet: never read, or read and not acknowledged."""
        group = await self._group_facts(sale)
        if group is None:
            return int(await self._command("XLEN", self._key(sale)))
        unread = group.get("lag")
        if unread is None:  # the server lost count, after a deletion in the middle
            last = _after(_text(group["last-delivered-id"]))
            unread = len(await self._command("XRANGE", self._key(sale), last, "+"))
        return int(unread) + int(group["pending"])

    async def waits_since_ms(self, sale: SaleId) -> int | None:
        """When the oldest entry that is not committed came, by the store's clock; None: none."""
        lowest = await self._lowest_needed(sale)
        oldest = await self._command("XRANGE", self._key(sale), lowest or "-", "+", "COUNT", 1)
        return int(_text(oldest[0][0]).partition("-")[0]) if oldest else None

    async def _lowest_needed(self, sale: SaleId) -> str | None:
        """The first id that must stay; everything before it is committed.

        The group is asked first: what is delivered between the two answers has a higher id.
        """
        group = await self._group_facts(sale)
        pending = await self._grouped(sale, "XPENDING", self._key(sale), self._group)
        if int(pending["pending"]):
            return _text(pending["min"])
        return None if group is None else _after(_text(group["last-delivered-id"]))

    async def _group_facts(self, sale: SaleId) -> dict[str, Any] | None:
        try:
            groups = await self._command("XINFO", "GROUPS", self._key(sale))
        except SaleStoreUnavailable as error:
            if "no such key" in str(error):
                return None
            raise
        for group in groups:
            pairs = (
                group.items() if isinstance(group, dict) else zip(*[iter(group)] * 2, strict=True)
            )
            facts = {_text(name): value for name, value in pairs}
            if _text(facts["name"]) == self._group:
                return facts
        return None

    async def _read_group(
        self, sale: SaleId, consumer: str, most: int, after: str, durable: Durable | None
    ) -> list[StreamEntry]:
        reply = await self._grouped(
            sale,
            *("XREADGROUP", "GROUP", self._group, consumer, "COUNT", most),
            *("STREAMS", self._key(sale), after),
            durable=durable,
        )
        if not reply:
            return []
        streams = list(reply.items()) if isinstance(reply, dict) else reply
        entries = streams[0][1]
        if (
            entries
            and isinstance(entries[0], list)
            and entries[0]
            and isinstance(entries[0][0], list)
        ):
            entries = entries[0]
        return [_entry(sale, entry) for entry in entries if entry[1]]

    async def _grouped(
        self, sale: SaleId, *command: Argument, durable: Durable | None = None
    ) -> Any:
        """A command of the group, which is made at the beginning of the stream when missing."""
        try:
            return await self._asked(sale, command, durable)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise SaleStoreUnavailable(f"{command[0]!s} of sale {sale}: {error}") from error
        try:
            await self._asked(
                sale, ("XGROUP", "CREATE", self._key(sale), self._group, "0", "MKSTREAM")
            )
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise SaleStoreUnavailable(f"group of sale {sale}: {error}") from error
        try:
            return await self._asked(sale, command, durable)
        except ResponseError as error:
            raise SaleStoreUnavailable(f"{command[0]!s} of sale {sale}: {error}") from error

    async def _asked(
        self, sale: SaleId, command: Sequence[Argument], durable: Durable | None = None
    ) -> Any:
        """The answer, once it is as safe as `durable` wants it. Raises `ResponseError`."""
        waiting = [] if durable is None else durable.waiting
        try:
            # Not by the client's own way: it would ask a cluster first which of the words are keys.
            answers = await on_one_connection(self._client, self._key(sale), command, *waiting)
            if isinstance(answers[0], Exception):
                raise answers[0]
            if durable is not None and answers[0]:
                durable.check(answers[1:])
        except ResponseError:
            raise
        except Unconfirmed as error:
            raise SaleUnconfirmed(f"{command[0]!s} of sale {sale}: {error}") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise SaleStoreUnavailable(f"{command[0]!s} of sale {sale}: {error}") from error
        return answers[0]

    async def _command(self, *command: Argument) -> Any:
        try:
            return await self._client.execute_command(*command)
        except (RedisError, OSError, TimeoutError) as error:
            raise SaleStoreUnavailable(f"{command[0]!s} {command[1]!r}: {error}") from error

    @staticmethod
    def _key(sale: SaleId) -> str:
        return key_of(sale, "ledger")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _after(entry_id: str) -> str:
    """The smallest id after this one."""
    ms, _, number = entry_id.partition("-")
    return f"{ms}-{int(number) + 1}"


def _entry(sale: SaleId, entry: Any) -> StreamEntry:
    entry_id, fields = _text(entry[0]), entry[1]
    if isinstance(fields, dict):
        facts = fields
    else:
        facts = dict(zip(fields[::2], fields[1::2], strict=True))
    raw = facts.get(b"moves", b"")
    try:
        moves = parse_moves(sale, int(facts[b"epoch"]), raw.decode())
        if not moves:
            raise Unreadable("an entry without moves")
    except (KeyError, ValueError) as error:  # `Unreadable` is one of them
        return StreamEntry(entry_id, (), f"{type(error).__name__}: {error}", repr(facts).encode())
    return StreamEntry(entry_id, moves, raw=raw)
