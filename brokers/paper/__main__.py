"""Runs the paper exchange: `python -m brokers.paper --port 8765 --data var/paper`.

The admin token comes from DESK_PAPER_TOKEN. Port 0 takes any free one; the
first line printed says which. It stops on SIGTERM, and may be killed at any moment.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from brokers.paper.exchange import Exchange
from brokers.paper.faults import Faults
from brokers.paper.house import House
from brokers.paper.ledger import Ledger, LedgerInUse
from brokers.paper.recording import News
from brokers.paper.server import make_app
from brokers.paper.telling import Teller

TICK = 0.25  # seconds: slow enough for eyes, quick enough for tempers


def main() -> int:
    """Run until told to stop. Returns the exit code."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    token = os.environ.get("DESK_PAPER_TOKEN", "")
    if not token:
        print(
            "Set DESK_PAPER_TOKEN: whoever has it opens accounts and sets faults.", file=sys.stderr
        )
        return 2
    try:
        ledger = Ledger(options.data)
    except LedgerInUse as error:
        print(error, file=sys.stderr)
        return 2
    try:
        asyncio.run(_run(ledger, options, token))
    finally:
        ledger.close()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m brokers.paper", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="where the ledger is kept")
    parser.add_argument("--seed", type=int, default=1, help="of the prices and the faults")
    parser.add_argument(
        "--paused", action="store_true", help="the market stands still until stepped by hand"
    )
    return parser.parse_args()


async def _run(ledger: Ledger, options: argparse.Namespace, token: str) -> None:
    house = _house(ledger, seed=options.seed, token=token, ticking=not options.paused)
    runner = web.AppRunner(make_app(house), access_log=None, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port, shutdown_timeout=1)
    await site.start()
    house.teller.resume(now=datetime.now(UTC))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    port = runner.addresses[0][1]
    print(f"The paper exchange listens on http://{options.host}:{port}", flush=True)
    work: list[asyncio.Task[None]] = [
        asyncio.create_task(_tick(house)),
        asyncio.create_task(house.teller.run()),
    ]
    stopped = asyncio.create_task(_until(stop))
    done, _ = await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
    house.exchange.commit()
    for task in work:
        task.cancel()
    await runner.cleanup()
    for task in done:
        task.result()  # a part that stopped by itself says why


def _house(ledger: Ledger, *, seed: int, token: str, ticking: bool) -> House:
    now = datetime.now(UTC)
    faults = Faults(seed=seed)
    for line in ledger.latest("settings"):
        faults.set(line.account, line.body)

    def tell(news: News) -> None:
        teller.tell(news)

    exchange = Exchange(ledger, seed=seed, now=now, luck=faults, tell=tell)
    teller = Teller(exchange.records, faults, seed=seed)
    return House(
        exchange=exchange, faults=faults, teller=teller, admin_token=token, ticking=ticking
    )


async def _tick(house: House) -> None:
    """Move the market while the clock runs, and keep what was recorded meanwhile."""
    while True:
        await asyncio.sleep(TICK)
        if house.ticking:
            house.exchange.step(now=datetime.now(UTC))
        else:
            house.exchange.catch_up(now=datetime.now(UTC))
        house.exchange.commit()


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
