"""Alpaca's SDK for JavaScript, through its examples on a running desk. Needs Node and npm."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.paths.bots import Bot, a_name
from tests.running_desk import ROOT, Desk

HERE = Path(__file__).parent / "js"
INSTALLED_WITHIN, DONE_WITHIN = 120, 90  # seconds


@pytest.fixture(scope="session")
def modules() -> Path:
    """The SDK as the lock file has it: installed once on a machine, and kept in `.desk/`."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here to run a bot in JavaScript with")
    lock = (HERE / "package-lock.json").read_bytes()
    kept = ROOT / ".desk" / f"js-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        _install(kept)
    return kept / "node_modules"


def _install(kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, directory)
        quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        try:
            subprocess.run(
                ["npm", "ci", *quietly],
                cwd=directory,
                check=True,
                capture_output=True,
                text=True,
                timeout=INSTALLED_WITHIN,
            )
        except subprocess.TimeoutExpired:
            pytest.skip("npm gave no answer: is there a network?")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"npm could not install Alpaca's SDK: {error.stderr.strip()[-300:]}")
        if not kept.exists():  # by somebody else meanwhile
            Path(directory).rename(kept)
            Path(directory).mkdir()  # the one that is to be cleaned up


def run(bot: Bot, modules: Path, **more: str) -> dict[str, Any]:
    """Run the bot to its end, and return what it tells, by step."""
    done = subprocess.run(
        ["node", str(HERE / "bot.js")],
        env={
            "PATH": os.environ["PATH"],
            "NODE_PATH": str(modules),
            "DESK_URL": f"{bot.desk.url}/alpaca",
            "DESK_KEY": bot.key,
            "DESK_SECRET": bot.secret,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=DONE_WITHIN,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    return {one["step"]: one["told"] for one in told}


def test_a_bot_in_javascript(desk: Desk, bot: Bot, modules: Path) -> None:
    desk.price("AAPL", "149.50")
    desk.price("AMD", "20.40")
    desk.price("MSFT", "400")
    name = a_name()

    told = run(bot, modules, DESK_NAME=name, DESK_PRICE="150")

    orders = told["orders"]
    assert orders["bought"] == orders["found"]
    bot.check_once(bot.order(orders["bought"]))
    assert bot.check_once(bot.order(orders["opening"]))["time_in_force"] == "opg"
    for which, legs in (("bracket", {"limit", "stop_limit"}), ("oto", {"stop"}), ("oco", {"stop"})):
        order = bot.order(told["legs"][which])
        bot.check_once(order)
        assert {leg.type.value for leg in order.legs} == legs
    assert told["trails"] == [["1", None, "400", "399"], [None, "1", "400", "396"]]
    assert told["changes"] == {
        "replaces": True,
        "qty": "3",
        "refused": [422, {"code": 40010001, "message": "qty must be > 0"}],
    }
    ends = told["ends"]
    assert ends["closed"] >= 4
    assert set(ends["canceled"]) == {200}
    assert ends["account"] == "ACTIVE"
    assert ends["held"] == [["AAPL", "4"], ["MSFT", "2"]]
    assert ends["left"] == 0
    assert told["heard"]["mine"][-2:] == ["new", "fill"]
