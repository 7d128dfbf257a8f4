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
        """Entries that this consumer was given and has not committed, then new ones, oldest first.

        At most `most` of each. Both come with one request, so that asking again, by whoever did
        not get the reply, gives what was given before, and what could not be confirmed in time.
        """
        group = ("XREADGROUP", "GROUP", self._group, consumer, "COUNT", most, "STREAMS")
        place = (*group, self._key(sale))
        # To be given new entries is a write (they become pending), after that of the entries.
        before, new = await self._grouped(sale, (*place, "0"), (*place, ">"), durable=self._durable)
        given = _entries(sale, before)
        if given and self._durable is not None:
            given = await self._claimed_again(sale, consumer, given)
        return given + _entries(sale, new)

    async def claim(
        self, sale: SaleId, consumer: str, most: int, idle_ms: int
    ) -> list[StreamEntry]:
        """Take over entries that were given to anybody and lay idle so long."""
        claiming = ("XAUTOCLAIM", self._key(sale), self._group, consumer)
        (reply,) = await self._grouped(
            sale, (*claiming, idle_ms, "0", "COUNT", most), durable=self._durable
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
        (claimed,) = await self._grouped(sale, claim, durable=self._durable)
        return [_entry(sale, entry) for entry in claimed if entry and entry[1]]

    async def committed(self, sale: SaleId, entry_ids: Sequence[str]) -> None:
        """Forget entries whose moves the ledger holds, and trim the stream below them."""
        if not entry_ids:
            return
        await self._grouped(sale, ("XACK", self._key(sale), self._group, *entry_ids))
        lowest = await self._lowest_needed(sale)
        if lowest is not None:
            await self._grouped(sale, ("XTRIM", self._key(sale), "MINID", "=", lowest))

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
        (pending,) = await self._grouped(sale, ("XPENDING", self._key(sale), self._group))
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

    async def _grouped(
        self, sale: SaleId, *commands: Sequence[Argument], durable: Durable | None = None
    ) -> list[Any]:
        """Commands of the group, which is made at the beginning of the stream when missing."""
        try:
            return await self._asked(sale, commands, durable)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise _unavailable(sale, commands[0], error) from error
        making = ("XGROUP", "CREATE", self._key(sale), self._group, "0", "MKSTREAM")
        try:
            await self._asked(sale, [making])
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise _unavailable(sale, making, error) from error
        try:
            return await self._asked(sale, commands, durable)
        except ResponseError as error:
            raise _unavailable(sale, commands[0], error) from error

    async def _asked(
        self, sale: SaleId, commands: Sequence[Sequence[Argument]], durable: Durable | None = None
    ) -> list[Any]:
        """The answers, once the last of them is as safe as `durable` wants it.

        Raises `ResponseError`.
        """
        waiting = [] if durable is None else durable.waiting
        try:
            # Not by the client's own way: it would ask a cluster first which of the words are keys.
            heard = await on_one_connection(self._client, self._key(sale), *commands, *waiting)
            answers, confirmations = heard[: len(commands)], heard[len(commands) :]
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            if durable is not None and answers[-1]:
                durable.check(confirmations)
        except ResponseError:
            raise
        except Unconfirmed as error:
            raise SaleUnconfirmed(f"{commands[-1][0]!s} of sale {sale}: {error}") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(sale, commands[-1], error) from error
        return answers

    async def _command(self, *command: Argument) -> Any:
        try:
            return await self._client.execute_command(*command)
        except (RedisError, OSError, TimeoutError) as error:
            raise SaleStoreUnavailable(f"{command[0]!s} {command[1]!r}: {error}") from error

    @staticmethod
    def _key(sale: SaleId) -> str:
        return key_of(sale, "ledger")


def _unavailable(
    sale: SaleId, command: Sequence[Argument], error: Exception
) -> SaleStoreUnavailable:
    return SaleStoreUnavailable(f"{command[0]!s} of sale {sale}: {error}")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _after(entry_id: str) -> str:
    """The smallest id after this one."""
    ms, _, number = entry_id.partition("-")
    return f"{ms}-{int(number) + 1}"


def _entries(sale: SaleId, reply: Any) -> list[StreamEntry]:
    """Of a reply to XREADGROUP for one stream, in whichever shape the client gives it."""
    if not reply:
        return []
    entries = (list(reply.items()) if isinstance(reply, dict) else reply)[0][1]
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], list):
        entries = entries[0]
    return [_entry(sale, entry) for entry in entries if entry[1]]


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
