"""The command line: `python -m tests.chaos`."""

from __future__ import annotations

import argparse
import json
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tests.chaos
from tests.chaos.figures import figures
from tests.chaos.mutants import MUTANTS
from tests.chaos.options import Options, Outcome
from tests.chaos.reporting import caught, tables
from tests.chaos.running import run

CHECKOUT = Path(__file__).resolve().parents[2]
SIZES: dict[str, dict[str, Any]] = {
    # What is published: forty minutes on two cores.
    "whole": {"orders": 10_000, "kills": 200, "per_window": 20, "rate": 6.0, "quiet_for": 200.0},
    # What every change has to pass: under four minutes on two cores.
    "smoke": {"orders": 320, "kills": 14, "per_window": 1, "rate": 4.5, "quiet_for": 90.0},
    # One deliberate defect: how many orders, and under what trouble, is in `mutants`.
    "mutant": {"orders": 0, "kills": 0, "per_window": 0, "rate": 4.0, "quiet_for": 130.0},
}


def main() -> int:
    """Run as asked. Returns 0 if nothing was violated, or if every mutant was caught."""
    told = _options()
    if told.mutants is not None:
        return _all_mutants(told)
    options = _sized(told)
    if (options.out / "desk").exists():
        print(f"{options.out} has a desk of another run. Name another directory.", file=sys.stderr)
        return 2
    outcome = run(options, say=_say)
    found = figures(outcome, command=_command(told))
    (options.out / "chaos.json").write_text(json.dumps(found, indent=1, default=str))
    (options.out / "chaos.md").write_text(tables([found]))
    print()
    print(tables([found]))
    return _conclude(outcome, told)


def _conclude(outcome: Outcome, told: argparse.Namespace) -> int:
    """Say how it ended, and keep what is needed to see why."""
    out = outcome.options.out
    for name, found in outcome.violations.items():
        for line in found[:10]:
            print(f"{name}  {line}")
    if outcome.is_clean:
        if not told.keep:
            shutil.rmtree(out / "desk", ignore_errors=True)
        print(f"Nothing was violated. {out / 'chaos.json'}")
        return 0
    print(f"Violated: {', '.join(name for name, found in outcome.violations.items() if found)}.")
    print(f"What it left is in {out}. The same again:\n\n    {_command(told)}\n")
    return 1


def _all_mutants(told: argparse.Namespace) -> int:
    """Run once for each deliberate defect, each in a process and a directory of its own.

    A defect is caught if a check fails that does not fail in the same run of a sound desk.
    """
    out = (told.out or _new_directory(told.seed)).resolve()
    names = told.mutants or list(MUTANTS)
    runs: list[dict[str, Any]] = []
    stumbled: list[str] = []
    for name in names:
        sound = _in_its_own_process(told, name, out / f"{name}-sound", "--sound")
        broken = _in_its_own_process(told, name, out / name)
        if sound is None or broken is None:
            stumbled.append(name)
            _say(f"{name}: the run itself did not come to an end")
            continue
        runs.append(broken | {"sound": _broken(sound)})
        (out / "mutants.json").write_text(json.dumps(runs, indent=1))
        _say(f"{name}: {', '.join(caught(runs[-1])) or 'NOT CAUGHT'}")
    print(tables(runs))
    return 0 if not stumbled and all(caught(run) for run in runs) else 1


def _in_its_own_process(
    told: argparse.Namespace, name: str, here: Path, *more: str
) -> dict[str, Any] | None:
    command = [
        *(sys.executable, "-m", "tests.chaos", "--mutant", name, "--seed", str(told.seed)),
        *("--out", str(here), *more),
        *(part for flag in ("rate", "quiet_for") for part in _passed_on(told, flag)),
    ]
    here.mkdir(parents=True, exist_ok=True)
    with (here / "run.log").open("wb") as log:
        subprocess.call(command, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT)
    if not (here / "chaos.json").exists():
        print((here / "run.log").read_text()[-2000:])
        return None
    shutil.rmtree(here / "desk", ignore_errors=True)
    found: dict[str, Any] = json.loads((here / "chaos.json").read_text())
    return found


def _broken(run: dict[str, Any]) -> list[str]:
    return [name for name, check in run["checks"].items() if check["violations"]]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=(tests.chaos.__doc__ or "").partition("\n\n")[0],
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--smoke", action="store_true", help="a short run, as for every change")
    parser.add_argument("--orders", type=int)
    parser.add_argument("--kills", type=int, help="at any moment, of any process")
    parser.add_argument("--per-window", type=int, metavar="N", help="deaths at each failpoint")
    parser.add_argument("--rate", type=float, help="orders a second")
    parser.add_argument(
        "--quiet-for", type=float, metavar="SECONDS", help="at most, for all to come right"
    )
    parser.add_argument("--mutant", metavar="NAME", help="a desk with this defect")
    parser.add_argument("--sound", action="store_true", help="the same run without the defect")
    parser.add_argument(
        "--mutants", nargs="*", metavar="NAME", help="these defects, or all, one after another"
    )
    parser.add_argument("--out", type=Path, help="where the evidence goes")
    parser.add_argument("--keep", action="store_true", help="the desk's data, even of a clean run")
    return parser.parse_args()


def _sized(told: argparse.Namespace) -> Options:
    size = SIZES["mutant" if told.mutant else "smoke" if told.smoke else "whole"]
    chosen = {
        name: usual if getattr(told, name) is None else getattr(told, name)
        for name, usual in size.items()
    }
    out = told.out or _new_directory(told.seed)
    return Options(
        seed=told.seed, out=out.resolve(), mutant=told.mutant, sound=told.sound, **chosen
    )


def _new_directory(seed: int) -> Path:
    return CHECKOUT / ".chaos" / f"{time.strftime('%Y%m%d-%H%M%S')}-seed-{seed}"


def _command(told: argparse.Namespace) -> str:
    """Return the command that runs this again, with its seed."""
    words = [".venv/bin/python", "-m", "tests.chaos", *_passed_on(told, "seed")]
    words += ["--smoke"] * told.smoke + ["--sound"] * told.sound
    for name in ("mutant", *SIZES["whole"]):
        words += _passed_on(told, name)
    return shlex.join(words)


def _passed_on(told: argparse.Namespace, name: str) -> Sequence[str]:
    value = getattr(told, name)
    return [] if value is None else [f"--{name.replace('_', '-')}", str(value)]


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
