"""The stream of a sale's moves on Redis: one consumer group, trimmed below what is committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from flash_sale.adapters.script import Argument, RedisClient, key_of
from flash_sale.adapters.wire import Unreadable, parse_moves
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import SaleId
from flash_sale.store import StreamEntry


class RedisLedgerStream:
    """Implements `flash_sale.store.LedgerStream` for one group of writers."""

    def __init__(self, client: RedisClient, group: str = "ledger") -> None:
        self._client = client
        self._group = group

    async def read(self, sale: SaleId, consumer: str, most: int) -> list[StreamEntry]:
        """Entries nobody has read yet, oldest first."""
        return await self._read_group(sale, consumer, most, ">")

    async def pending(
        self, sale: SaleId, consumer: str, most: int, idle_ms: int
    ) -> list[StreamEntry]:
        """Own entries that were read and not committed, and others' that lay idle so long."""
        own = await self._read_group(sale, consumer, most, "0")
        if own:
            return own
        reply = await self._grouped(
            sale, "XAUTOCLAIM", self._key(sale), self._group, consumer, idle_ms, "0", "COUNT", most
        )
        return [_entry(sale, entry) for entry in reply[1] if entry[1]]

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
        self, sale: SaleId, consumer: str, most: int, after: str
    ) -> list[StreamEntry]:
        reply = await self._grouped(
            sale,
            *("XREADGROUP", "GROUP", self._group, consumer, "COUNT", most),
            *("STREAMS", self._key(sale), after),
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

    async def _grouped(self, sale: SaleId, *command: Argument) -> Any:
        """A command of the group, which is made at the beginning of the stream when missing."""
        try:
            return await self._client.execute_command(*command)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise SaleStoreUnavailable(f"{command[0]!s} of sale {sale}: {error}") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise SaleStoreUnavailable(f"{command[0]!s} of sale {sale}: {error}") from error
        try:
            await self._client.execute_command(
                "XGROUP", "CREATE", self._key(sale), self._group, "0", "MKSTREAM"
            )
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise SaleStoreUnavailable(f"group of sale {sale}: {error}") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise SaleStoreUnavailable(f"group of sale {sale}: {error}") from error
        return await self._command(*command)

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
