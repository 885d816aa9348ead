"""The command line: `python3 -m tools.drive`."""

from __future__ import annotations

import argparse
import base64
import json
import random
import shlex
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import tools.drive
from tools.drive.comparing import compare
from tools.drive.placing import Drive
from tools.drive.servers import Desk, Exchange, Server, Unusable

CHECKOUT = Path(__file__).resolve().parents[2]


def _variables(data: Path) -> dict[str, str]:
    """Read what the running desk's programs were told."""
    try:
        words = shlex.split((data / "desk.env").read_text())
    except FileNotFoundError as error:
        raise Unusable(f"No desk has run in {data}. Name its directory with --data.") from error
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _new_key(data: Path) -> tuple[str, str]:
    """Ask the launcher for a key of our own."""
    command = [sys.executable, str(CHECKOUT / "desk"), "key", "--data", str(data)]
    made = subprocess.run(
        [*command, "--name", "drive", "--json"], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise Unusable(made.stderr.strip() or "./desk key made no key.")
    told = json.loads(made.stdout)
    return told["key"], told["secret"]


def main() -> int:
    """Drive, compare, and say what came of it."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.drive",
        description=(tools.drive.__doc__ or "").partition("\n\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, default=CHECKOUT / ".desk", help="the desk's directory"
    )
    parser.add_argument("--url", help="where the desk is (else as its directory says)")
    parser.add_argument("--key", help="as ./desk key prints it")
    parser.add_argument("--secret")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--lost", type=int, default=20, metavar="PERCENT", help="of all answers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wait", type=float, default=180, metavar="SECONDS", help="for quiet")
    told = parser.parse_args()
    try:
        return drive(told)
    except Unusable as reason:
        print(f"drive: {reason}", file=sys.stderr)
        return 2


def drive(told: argparse.Namespace) -> int:
    """Run once with these arguments; return 1 if the books differ."""
    variables = _variables(told.data)
    url = (told.url or variables["DESK_URL"]).rstrip("/")
    key, secret = (told.key, told.secret) if told.key else _new_key(told.data)
    basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
    server = Server(url, {"Authorization": f"Basic {basic}"})
    account = server.must("GET", "/api/v1/accounts")["accounts"][0]["id"]
    token = {"X-Paper-Admin": variables["DESK_PAPER_TOKEN"]}
    exchange = Exchange(Server(variables["DESK_PAPER_URL"].rstrip("/"), token))
    dice = random.Random(told.seed)  # noqa: S311 — the same mix for the same seed
    run = Drive(Desk(server, account), exchange, dice)

    run.learn_prices()
    print(f"Driving {told.orders} orders; the exchange loses {told.lost} % of its answers.")
    before = exchange.lose(Decimal(told.lost) / 100)
    try:
        run.run(told.orders)
        orders = run.wait_for_quiet(told.wait, say=_say)
    finally:
        exchange.restore(*before)
    print()
    found = compare(run, orders)
    for name, count in found.counts.items():
        print(f"  {name:<30} {count:>12}")
    for line in found.wrong[:50]:
        print(f"  WRONG  {line}")
    print("The books differ." if found.wrong else "The books agree.")
    return 1 if found.wrong else 0


def _say(line: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K  {line}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
