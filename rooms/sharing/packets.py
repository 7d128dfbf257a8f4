"""Red packets: a pool of money split into shares in advance, exact to the cent."""

from __future__ import annotations

from random import Random


def split(pool_minor: int, shares: int, seed: int) -> list[int]:
    """`shares` amounts of at least 1 that add up to `pool_minor`; the same for the same seed.

    Each is drawn between 1 and twice what is left on average, so that none is far from the mean
    and the order favours nobody. `ValueError` if the pool has less than 1 for each share.
    """
    if shares < 1 or pool_minor < shares:
        raise ValueError(f"a pool of {pool_minor} cannot be split into {shares} shares")
    random = Random(seed)
    amounts = []
    left_minor = pool_minor
    for left in range(shares, 1, -1):
        most_minor = max(1, 2 * left_minor // left - 1)
        amount_minor = random.randint(1, most_minor)
        amounts.append(amount_minor)
        left_minor -= amount_minor
    amounts.append(left_minor)
    random.shuffle(amounts)
    return amounts
