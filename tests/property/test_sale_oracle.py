"""Any sequence of purchases, payments, refunds and steering, on the twin: its books always balance.

What the fault tests prove with the twin beside the real store rests on this.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from flash_sale.model import Move, OrderId, OrderState, SaleId
from tests.support.sale_machine import SaleMachine
from tests.support.sale_oracle import OracleSales
from tests.support.sale_twins import DURABILITY, GRACE_MS, WAITLIST_MAX, Backend


class MemoryBackend:
    """The twin in the place of the real store."""

    def __init__(self) -> None:
        self._now_ms = 1_800_000_000_000
        self._read = 0
        self.sales = OracleSales(
            lambda: self._now_ms,
            grace_ms=GRACE_MS,
            waitlist_max=WAITLIST_MAX,
            durability=DURABILITY,
        )

    async def set_clock(self, sale: SaleId, now_ms: int) -> None:
        self._now_ms = now_ms

    async def now_ms(self) -> int:
        return self._now_ms

    async def moves(self, sale: SaleId) -> list[Move]:
        moves = self.sales.sales[sale].moves[self._read :]
        self._read += len(moves)
        return moves

    async def held(self, sale: SaleId) -> set[OrderId]:
        orders = self.sales.sales[sale].orders.values()
        return {order.id for order in orders if order.state is OrderState.RESERVED}

    async def disturb(self) -> None: ...

    async def close(self) -> None: ...


class MachineOnTheTwin(SaleMachine):
    async def backend(self) -> Backend:
        return MemoryBackend()


def test_the_books_of_the_twin_balance_whatever_happens():
    run_state_machine_as_test(
        MachineOnTheTwin,
        settings=settings(
            max_examples=60,
            stateful_step_count=50,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
