"""The sale engine by itself, in a process of its own: `python -m loadtest.bench.engine_process`.

The one part of the load tests that calls the engine in process: what is measured is the store,
its scripts and its adapter, without WebSockets. Beside it, on the same Redis and in turns, the
plain way: `redis-benchmark` with one order per EVALSHA of the same script, unpipelined.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gc
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from flash_sale.adapters.confirmed import Durable
from flash_sale.adapters.redis_sales import RedisSales, StoreLimits
from flash_sale.adapters.script import Script, channel_of, keys_of
from flash_sale.catalog import ProductId, SkuId
from flash_sale.model import Act, Item, Line, Purchase, SaleId, Steering, Terms, order_id_of
from server.embedded_redis import EmbeddedRedis
from server.redis_client import Client, connect

SKU = SkuId("mug")
LANES = 2  # sales that run at once, each with one batch in flight as in the server
PEER_CLIENTS = 50


async def measure(mode: str, orders: int, rounds: int, batch: int) -> list[dict[str, Any]]:
    """Rounds of the engine and of its peer, in turns, with one durability mode."""
    found: list[dict[str, Any]] = []
    home = Path(tempfile.mkdtemp(prefix="onair-engine-"))
    redis = EmbeddedRedis(home, durability=mode)
    await redis.start()
    client = connect(redis.url)
    try:
        await client.initialize()
        store = RedisSales(
            client, StoreLimits(), Durable(mode, server_syncs=mode == "always", within_ms=1_000)
        )
        for number in range(rounds):
            found.append(await _engine_round(store, mode, number, orders, batch))
            found.append(await _peer_round(client, redis, store, mode, number, orders // 2))
    finally:
        await client.aclose()
        await redis.stop()
        shutil.rmtree(home, ignore_errors=True)
    return found


async def _open_sale(store: RedisSales, sale: SaleId) -> None:
    item = Item(SKU, ProductId("mug"), "Mug", 100_000_000, 8_900, 1)
    terms = Terms(sale, "bench", "CNY", (item,), hold_ms=600_000, offer_ms=60_000)
    await store.arm(terms, Act("arm", "bench", "merchant"), {})
    await store.steer(sale, Steering.OPEN, Act("open", "bench", "host"))


async def _engine_round(
    store: RedisSales, mode: str, number: int, orders: int, batch: int
) -> dict[str, Any]:
    sales = [SaleId(f"{mode}-{number}-{lane}") for lane in range(LANES)]
    for sale in sales:
        await _open_sale(store, sale)
    began, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_buy(store, sale, orders // LANES, batch) for sale in sales))
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    sold = 0
    for sale in sales:
        books = (await store.view(sale)).items[0]
        assert books.balanced
        sold += books.reserved
    assert sold == orders // LANES * LANES, (sold, orders)
    return {
        "who": "engine",
        "mode": mode,
        "batch": batch,
        "orders": sold,
        "seconds": seconds,
        "per_s": sold / seconds,
        "python_us": cpu_s / sold * 1e6,
    }


async def _buy(store: RedisSales, sale: SaleId, orders: int, batch: int) -> None:
    one = (Line(SKU, 1),)
    for first in range(0, orders, batch):
        buyers = [f"buyer-{n}" for n in range(first, min(first + batch, orders))]
        await store.reserve(
            sale,
            [
                Purchase(order_id_of(sale, buyer, "request-1"), buyer, "request-1", one, name="b*")
                for buyer in buyers
            ],
        )


async def _peer_round(
    client: Client, redis: EmbeddedRedis, store: RedisSales, mode: str, number: int, orders: int
) -> dict[str, Any]:
    """The same script, loaded the same way, called by redis-benchmark for one order at a time."""
    program = shutil.which("redis-benchmark")
    if program is None:
        return {"who": "redis-benchmark", "mode": mode, "per_s": 0.0, "why": "not installed"}
    sale = SaleId(f"{mode}-{number}-peer")
    await _open_sale(store, sale)
    script = Script("reserve")
    await client.execute_command("SCRIPT", "LOAD", script.text)
    buyer = ("000000000000__rand_int__", "buyer-__rand_int__", "request-1", f"{SKU}*1", "b*\x1e")
    command = [
        *(program, "-s", str(redis.socket), "-n", str(orders), "-c", str(PEER_CLIENTS)),
        *("-r", "1000000000", "--csv", "EVALSHA", script.digest, "12", *keys_of(sale)),
        *(
            channel_of(sale),
            "",
            "0",
            "3600000",
            "200000",
            "10000",
            mode,
            "\x1f".join(buyer),
            "1000",
        ),
    ]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=True, timeout=300
    )
    rows = [row for row in csv.reader(io.StringIO(done.stdout)) if len(row) > 1]
    per_s = float(rows[-1][1])
    sold = (await store.view(sale)).items[0].reserved
    assert sold >= orders * 0.99, (sold, orders)  # a few buyers are drawn twice
    return {
        "who": "redis-benchmark",
        "mode": mode,
        "orders": orders,
        "per_s": per_s,
        "clients": PEER_CLIENTS,
    }


def main() -> None:
    """Print the rounds as one JSON list."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.engine_process")
    parser.add_argument("--mode", choices=("always", "everysec"), required=True)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    rounds = uvloop.run(measure(options.mode, options.orders, options.rounds, options.batch))
    json.dump(rounds, sys.stdout)


if __name__ == "__main__":
    main()
