"""Payments without money, for trying things out: every refund succeeds at once."""

from __future__ import annotations

from server.payments.provider import ProviderRefused


class DemoProvider:
    """Buyers press a button and have paid; there is nothing to give back."""

    name = "demo"

    async def refund(
        self, refund_id: str, payment_id: str, order_id: str, amount_minor: int, currency: str
    ) -> None:
        """Done, whatever it is."""


class NoProvider:
    """A shop that takes no payments through onair."""

    name = "none"

    async def refund(
        self, refund_id: str, payment_id: str, order_id: str, amount_minor: int, currency: str
    ) -> None:
        """Raises `ProviderRefused`: somebody has to give the money back by hand."""
        raise ProviderRefused("no payment provider is set: ONAIR_PAYMENT_PROVIDER is none")
