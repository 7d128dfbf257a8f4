"""What onair asks of whoever moves the money, and how that can fail.

A provider takes payments on its own and tells us by webhook; the only thing we ask of it is to
give money back.
"""

from __future__ import annotations

from typing import Protocol


class ProviderUnavailable(Exception):
    """The provider could not be asked, or did not answer in time: ask again with the same id."""


class ProviderRefused(Exception):
    """The provider said no and will not change its mind; the text says why, for the merchant."""


class PaymentProvider(Protocol):
    """Money goes back through this. `name` is what stands beside payments in the ledger."""

    @property
    def name(self) -> str: ...

    async def refund(
        self, refund_id: str, payment_id: str, order_id: str, amount_minor: int, currency: str
    ) -> None:
        """Give a payment back. `refund_id` takes effect once: asking again is always safe.

        Returns when the provider has taken it on. Raises `ProviderUnavailable`, `ProviderRefused`.
        """
