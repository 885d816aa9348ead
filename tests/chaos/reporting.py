"""Writes what runs came to, for people: `python -m tests.chaos.reporting a.json b.json > chaos.md`.

Several runs are added up, seed by seed, each with its commit; `mutants.json` holds many.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.checking import CHECKS
from tests.chaos.figures import bound
from tests.chaos.mutants import MUTANTS

HERE = Path(__file__).parent
Figures = dict[str, Any]


def document(runs: Sequence[Figures]) -> str:
    """Return the whole of docs/chaos.md: what it is, what came of it, what was found on the way."""
    head, found = (HERE / "head.md").read_text(), (HERE / "found.md").read_text()
    return f"{head.rstrip()}\n\n{tables(runs)}\n{found.rstrip()}\n"


def tables(runs: Sequence[Figures]) -> str:
    """Return the tables of some runs, added up; mutants apart."""
    plain = [run for run in runs if not run["mutant"]]
    mutants = [run for run in runs if run["mutant"]]
    lines: list[str] = []
    if plain:
        lines += ["## Result", "", *_said(plain), "", *_checks(plain), "", *_size(plain), ""]
        lines += ["### What went wrong on purpose", "", *_wrongs(plain), ""]
        lines += ["### Crash windows", "", *_windows(plain), ""]
        lines += ["### How long it took", "", *_times(plain), ""]
    if mutants:
        lines += ["## Teeth", "", *_teeth(mutants), ""]
    return "\n".join(lines)


def _said(runs: Sequence[Figures]) -> Iterator[str]:
    exposed = sum(run["exposed"] for run in runs)
    broken = sum(check["violations"] for run in runs for check in run["checks"].values())
    orders = sum(run["orders"]["intents"] for run in runs)
    most = bound(exposed)
    yield (
        f"**{broken} violations in {orders:,} orders**, {exposed:,} of them exposed to faults,"
        f" over {len(runs)} run{'s' * (len(runs) > 1)}."
    )
    if not broken and most is not None:
        yield (
            f"0 in {exposed:,} puts the rate of any one violation below {most:.2%} at 95 %"
            " confidence (three in n)."
        )
    yield ""
    for run in runs:
        dirty = ", with changes of its own" if run["dirty"] else ""
        yield (
            f"* seed {run['seed']}: {run['orders']['intents']:,} orders in"
            f" {sum(run['seconds'].values()) / 60:.0f} min, commit `{run['commit'][:12]}`{dirty},"
            f" {run['machine']['cpus']} CPUs; replay with `{run['command']}`"
        )


def _checks(runs: Sequence[Figures]) -> Iterator[str]:
    yield from _head("", "must be so", "violations")
    for name, check in CHECKS.items():
        count = sum(run["checks"][name]["violations"] for run in runs)
        yield f"| {name} | {check.says} | {count} |"


def _size(runs: Sequence[Figures]) -> Iterator[str]:
    def total(*path: str) -> int:
        return sum(_at(run, path) for run in runs)

    submitted: Counter[str] = Counter()
    for run in runs:
        submitted.update(run["orders"]["submissions"])
    yield from _head("of the run", "")
    rows = [
        ("orders asked for", total("orders", "intents")),
        (
            "never left the desk: cancelled before / too late / blocked",
            " / ".join(
                f"{submitted[name]:,}" for name in ("withdrawn", "expired_unsent", "blocked")
            ),
        ),
        ("exposed to faults", total("exposed")),
        ("asked for again, with the same id", total("orders", "asked_again")),
        (
            "cancels / replaces taken",
            _pair(total("orders", "cancels"), total("orders", "replaces")),
        ),
        ("brokers", len({name for run in runs for name in run["brokers"]})),
        ("processes killed", total("kills", "total")),
        ("accounts halted", total("halts")),
        ("entered / left doubt", _pair(total("doubt", "entered"), total("doubt", "left"))),
        ("fills", total("fills", "theirs")),
        (
            "webhooks taken / taken again",
            _pair(total("webhooks", "taken"), total("webhooks", "taken_again")),
        ),
        ("webhooks turned away", total("webhooks", "turned_away")),
        ("orders the broker itself doubled", total("own_doubles")),
        ("views sampled", total("views", "sampled")),
    ]
    for what, count in rows:
        yield f"| {what} | {count if isinstance(count, str) else f'{count:,}'} |"


def _wrongs(runs: Sequence[Figures]) -> Iterator[str]:
    yield from _head("what", "times")
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update({f"answer: {name}": n for name, n in run["faults"].items()})
        counts.update({f"webhook: {name}": n for name, n in run["webhooks"]["faults"].items()})
        counts.update({f"process: {name} killed": n for name, n in run["kills"]["by_role"].items()})
        counts.update({f"desk: {name}": n for name, n in run["wrongs"].items()})
    for name, count in sorted(counts.items()):
        yield f"| {name.replace('_', ' ')} | {count:,} |"


def _windows(runs: Sequence[Figures]) -> Iterator[str]:
    yield from _head("window", "deaths in it")
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update(run["kills"]["by_window"])
    for name, count in sorted(counts.items()):
        yield f"| `{name}` | {count:,} |"


def _times(runs: Sequence[Figures]) -> Iterator[str]:
    yield from _head("seed", "what", "half within", "9 in 10", "99 in 100", "all")
    for run in runs:
        for what, spans in (("doubt", run["doubt"]["seconds"]), ("a fill", run["fills"]["lag"])):
            if spans:
                told = " | ".join(f"{spans[name]:.1f} s" for name in ("p50", "p90", "p99", "max"))
                yield f"| {run['seed']} | {what} | {told} |"


def caught(run: Figures) -> list[str]:
    """Return the checks that a defect broke, and the same trouble did not break without it."""
    sound = run.get("sound", ())
    checks = run["checks"].items()
    return [name for name, check in checks if check["violations"] and name not in sound]


def _teeth(runs: Sequence[Figures]) -> Iterator[str]:
    count = sum(bool(caught(run)) for run in runs)
    yield (
        f"{count} of {len(runs)} deliberate defects of the desk are caught, of {len(MUTANTS)} in"
        " the catalogue. Each was run under trouble that makes it show, and a sound desk under"
        " the same trouble."
    )
    yield ""
    yield from _head("defect", "caught by", "after so many orders")
    for run in runs:
        names = caught(run)
        first = [run["checks"][name]["after"] for name in names if run["checks"][name]["after"]]
        after = str(min(first)) if first else ""
        says = MUTANTS[run["mutant"]].says if run["mutant"] in MUTANTS else run["mutant"]
        yield f"| {says} | {', '.join(names) or '**nothing**'} | {after} |"


def _head(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * len(names)


def _at(run: Figures, path: Iterable[str]) -> Any:
    found: Any = run
    for name in path:
        found = found[name]
    return found


def _pair(first: int, second: int) -> str:
    return f"{first:,} / {second:,}"


def main() -> int:
    """Read the runs named on the command line, and print the document."""
    read = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    runs = [run for found in read for run in (found if isinstance(found, list) else [found])]
    if not runs:
        print("Name the chaos.json of one run or more.", file=sys.stderr)
        return 2
    print(document(runs), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
