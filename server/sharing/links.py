"""Share links on a worker: made, found by their code, and remembered.

Whether somebody may make a link, and what it may open, is decided by `server.sharing.link_desk`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

from rooms.sharing import links as codes
from rooms.sharing.sources import Quote, ShareLink, Source, Target
from server.database.share_records import ShareRecords
from server.settings import Limits

PATH = "/s/"


class Links:
    """The same request gives the same link on every worker. Codes it has not signed cost no query.

    `public_url` is where people open the pages; without it addresses are paths on this server.
    """

    def __init__(
        self,
        records: ShareRecords,
        key: bytes,
        limits: Limits,
        now_ms: Callable[[], int],
        *,
        public_url: str = "",
    ) -> None:
        self._records = records
        self._key = key
        self._remembered_max = limits.links_remembered_max
        self._per_day_max = limits.links_per_user_max
        self._now_ms = now_ms
        self._public_url = public_url
        self._remembered: OrderedDict[str, ShareLink] = OrderedDict()

    async def create(
        self,
        room: str,
        source: Source,
        target: Target,
        *,
        markups: Mapping[str, int] | None = None,
        inviter_name: str = "",
        quote: Quote | None = None,
        bounded: bool = True,
    ) -> ShareLink:
        """The link of these facts, stored if it is new; `source.link` becomes its id.

        `inviter_name` and the quote's name are masked already. `bounded`: at most
        `links_per_user_max` new ones of one inviter in a day. Raises `UnknownRoom`,
        `TooManyLinks`, `DatabaseUnavailable`.
        """
        prices = dict(markups or {})
        identity = codes.link_id(self._key, room, source, target, prices)
        known = self._remembered.get(identity)
        if known is not None:
            return known
        link = ShareLink(
            id=identity,
            room=room,
            source=replace(source, link=identity),
            target=target,
            created_at_ms=self._now_ms(),
            markups=prices,
            inviter_name=inviter_name,
            quote=quote,
        )
        stored = await self._records.create(
            link, per_day_max=self._per_day_max if bounded else None
        )
        self._remember(stored)
        return stored

    async def find(self, code: str) -> ShareLink | None:
        """The link of a code; None for one that was made up or is unknown here.

        Raises `DatabaseUnavailable` if it is not remembered and cannot be read.
        """
        identity = codes.id_of(self._key, code)
        if identity is None:
            return None
        known = self.remembered(code)
        if known is not None:
            return known
        found = await self._records.find(identity)
        if found is not None:
            self._remember(found)
        return found

    def remembered(self, code: str) -> ShareLink | None:
        """As `find`, without waiting: None also for a link that this worker has not seen yet."""
        identity = codes.id_of(self._key, code)
        known = None if identity is None else self._remembered.get(identity)
        if known is not None:
            self._remembered.move_to_end(known.id)
        return known

    def is_signed(self, code: str) -> bool:
        """Whether this shop has made the code, without looking for its link."""
        return codes.id_of(self._key, code) is not None

    def code_of(self, link: ShareLink) -> str:
        """The code in the link's address: 16 characters."""
        return codes.code_of(self._key, link.id)

    def url_of(self, link: ShareLink) -> str:
        """Its address; a path on this server unless the shop has named its public address."""
        return f"{self._public_url}{PATH}{self.code_of(link)}"

    def _remember(self, link: ShareLink) -> None:
        self._remembered[link.id] = link
        self._remembered.move_to_end(link.id)
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)
