"""What can go wrong with the store of a sale; whether asking again is safe stands in each."""

from __future__ import annotations


class SaleStoreUnavailable(Exception):
    """The store cannot be reached in time. What was asked may have happened: ask again with the
    same ids."""


class SaleUnconfirmed(SaleStoreUnavailable):
    """What was asked was done, but is not yet as safe as the durability mode says: a disk or a
    replica has not confirmed it. Until one does, nothing is answered."""


class SaleBusy(Exception):
    """A bound is reached; nothing was queued. The text names the bound."""


class NotOnSale(Exception):
    """The store has no such sale: it was never armed, or the store has lost it."""


class SaleFrozen(Exception):
    """The store's copy of the sale is not to be trusted; nothing is decided until a rebuild."""


class StaleEpoch(Exception):
    """The sale was rebuilt since its terms were read: read them again."""


class SteeringRefused(Exception):
    """Staff asked for what the sale's state or allocation does not allow. Nothing changed."""

    def __init__(self, refusal: str, detail: str) -> None:
        super().__init__(f"{refusal}: {detail}")
        self.refusal = refusal
        self.detail = detail
