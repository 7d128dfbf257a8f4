"""A sale and its room on two real workers, and people who come in over the WebSocket."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flash_sale.model import SaleId
from tests.support.shop import Shop
from tests.support.worker_app import WorkerApp
from tests.support.ws_client import WireClient, WireError

numbers = itertools.count(1)


@dataclass(frozen=True)
class Estate:
    """Two workers of one installation; both take the demo's payments."""

    redis_url: str
    database_url: str
    directory: Path
    workers: tuple[WorkerApp, WorkerApp]


@dataclass
class Stage:
    """A room and a sale of one test."""

    estate: Estate
    shop: Shop
    room: str
    sale: SaleId

    @property
    def channel(self) -> str:
        return f"room:{self.room}"

    async def open_sale(self, **stock: int) -> None:
        await self.shop.opened(self.sale, stock, room=self.room)

    async def entered(self, user: str, role: str = "viewer", worker: int = 0) -> WireClient:
        """Somebody in the room, under the name of their id."""
        app = self.estate.workers[worker]
        client = await WireClient.open(app.ws_url)
        await client.connect(app.token(user, role, [self.room]) if user else "")
        await client.subscribe(self.channel)
        return client

    async def sees_stock(self, client: WireClient) -> None:
        """Wait until the client's worker listens to the sale."""
        await client.event(self.channel, lambda event: event["t"] == "sale.stock", "the stock")

    def purchase(self, qty: int = 1) -> dict[str, Any]:
        request_id = f"request-{next(numbers)}"
        return {"sale": self.sale, "sku": "tea", "qty": qty, "request_id": request_id}


class Denied:
    """`with Denied(403):` the block must end with that error."""

    def __init__(self, code: int, text: str = "") -> None:
        self.code = code
        self.text = text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert isinstance(error, WireError), error
        assert (error.code, self.text in error.message) == (self.code, True), error
        return True
