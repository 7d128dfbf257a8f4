"""A web worker with a planted bug: every third order does not take its unit out of stock.

It is what a lost update does, with the real server around it: the script of a purchase is weakened
in memory, before the worker opens. Nothing in the product can be switched like this.
"""

from __future__ import annotations

import hashlib
from typing import Any

from flash_sale.adapters.script import Script
from server import worker

TAKEN = "change(line.unit, 'available', -line.qty)"
LOST = f"if (seq % 3) > 0 then {TAKEN} end"


def plant() -> None:
    """From now on every script that decides purchases loses updates."""
    whole = Script.__init__

    def weakened(script: Script, name: str, **options: Any) -> None:
        whole(script, name, **options)
        if name == "reserve":
            assert script.text.count(TAKEN) == 1, "the script has changed: plant the bug anew"
            script.text = script.text.replace(TAKEN, LOST)
            digest = hashlib.sha1(script.text.encode(), usedforsecurity=False)
            script.digest = digest.hexdigest()

    Script.__init__ = weakened  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    plant()
    worker.main()
