"""Payments: who moves the money, how it is asked to give some back, and whom we believe."""

from server.payments.demo import DemoProvider, NoProvider
from server.payments.provider import PaymentProvider, ProviderRefused, ProviderUnavailable
from server.payments.webhook import WebhookProvider
from server.settings import Settings

__all__ = ["PaymentProvider", "ProviderRefused", "ProviderUnavailable", "provider_of"]


def provider_of(settings: Settings) -> PaymentProvider:
    """The provider that the settings name."""
    if settings.payment_provider == "demo":
        return DemoProvider()
    if settings.payment_provider == "webhook":
        return WebhookProvider(settings.payment_refund_url, settings.payment_secret)
    return NoProvider()
