"""The command line: `python -m tests.brackets`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import structlog

import tests.brackets
from embedded.postgres import Postgres
from embedded.pytest_plugin import TEST_ENVIRONMENT
from embedded.running import running
from tests.brackets import figures
from tests.brackets.figures import Outcome


def main() -> int:
    """Run the trials. Returns 1 if anything was violated, or a share did not come to its end."""
    told = _options()
    if told.share is not None:
        with suppress(KeyboardInterrupt):
            _run(told)
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / f"{number}.json" for number in range(told.jobs)]
        own = [sys.executable, "-m", "tests.brackets", *sys.argv[1:], "--seed", str(told.seed)]
        shares = [
            subprocess.Popen([*own, "--share", str(number), "--into", str(file)])
            for number, file in enumerate(files)
        ]
        try:
            ended = [share.wait() for share in shares]
        except KeyboardInterrupt:  # the shares have heard it too: say what they came to
            ended = [share.wait() for share in shares]
        told_of = [json.loads(file.read_text()) for file in files if file.exists()]
    outcomes = [Outcome(**one) for one in chain(*told_of)]
    print(figures.table(outcomes, took=time.monotonic() - began))
    return 1 if any(ended) or any(outcome.violations for outcome in outcomes) else 0


def _run(told: argparse.Namespace) -> None:
    """Run a share of the trials, on a database of its own. What is done so far is on file."""
    seeds = range(told.seed, told.seed + told.trials)[told.share :: told.jobs]
    outcomes: list[Outcome] = []
    with _desk():
        from tests.brackets import sabotage, trial  # noqa: PLC0415 — after the settings

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        with sabotage.as_told(told.mutant):
            for seed in seeds:
                outcomes.append(trial.run(seed))
                _say(outcomes[-1], is_alone=told.trials == 1)
                outcomes[-1].story.clear()
                done = Path(told.into).with_suffix(".part")
                done.write_text(json.dumps([asdict(one) for one in outcomes]))
                done.rename(told.into)


def _say(outcome: Outcome, *, is_alone: bool) -> None:
    if outcome.violations:
        seed = outcome.seed
        print(f"seed {seed}: {'; '.join(outcome.violations)}")
        print(f"  the same again: python -m tests.brackets --trials 1 --seed {seed}", flush=True)
    if is_alone:
        print(outcome.plan, *outcome.story, sep="\n")


@contextmanager
def _desk() -> Iterator[None]:
    """Set up a database that is thrown away afterwards."""
    data = Path(tempfile.mkdtemp(prefix="blotter-brackets-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        os.environ |= TEST_ENVIRONMENT | {"DESK_DATA": str(data), "DESK_PREFIX": "brackets"}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"  # nobody is to be told anything
        postgres = Postgres(data=data, durable=False)
        postgres.prepare()
        stack.enter_context(running(postgres))
        os.environ["DATABASE_URL"] = postgres.url()
        import django  # noqa: PLC0415 — after the settings' environment
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        yield


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.brackets",
        description=(tests.brackets.__doc__ or "").partition("\n\n")[0],
    )
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=2, help="at once, each with its own database")
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)  # of the jobs, this one's
    parser.add_argument("--into", help=argparse.SUPPRESS)
    parser.add_argument("--mutant", metavar="NAME", default="", help="a desk with this defect")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
