"""Keeps the streams of every account whose broker tells its news over one, until it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from webhooks.bridging import Bridge


class Command(BaseCommand):
    """`manage.py stream`: several may run; each account's stream is kept by one of them."""

    help = "Connect to brokers' streams, and keep what they tell. Runs until SIGTERM."

    def handle(self, *_args: Any, **_options: Any) -> None:
        asyncio.run(_run())


async def _run() -> None:
    bridge, ready = Bridge(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, bridge.stop)
    running = asyncio.create_task(bridge.run(ready=ready))
    saying = asyncio.create_task(_say_ready(ready))
    try:
        await running
    finally:
        saying.cancel()


async def _say_ready(ready: asyncio.Event) -> None:
    """Tell the supervisor, which names a file for the purpose, that we are at work."""
    await ready.wait()
    if path := os.environ.get("DESK_READY_FILE"):
        Path(path).touch()
