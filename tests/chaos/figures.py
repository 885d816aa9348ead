"""Counts a run: what was asked, what went wrong, what was found. The numbers of `chaos.json`."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.chaos.checking import CHECKS
from tests.chaos.checking.world import World, grouped
from tests.chaos.options import Outcome

CHECKOUT = Path(__file__).resolve().parents[2]
FIRST = 10  # offenders named per check
LAG_FROM = "fill"  # busts and corrections come when they come


def figures(outcome: Outcome, *, command: str) -> dict[str, Any]:
    """Return everything there is to say of a run, fit for JSON."""
    world, options = outcome.world, outcome.options
    exposed = _exposed(world)
    return {
        "seed": options.seed,
        "command": command,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "machine": _machine(),
        "mutant": options.mutant,
        "brokers": list(outcome.brokers),
        "seconds": outcome.seconds,
        "orders": {
            "intents": len(set(outcome.intents.values())),
            "rows": len(world.orders),
            "by_page": sum(order.source == "page" for order in world.orders),
            "taken_over": sum(order.source == "broker" for order in world.orders),
            "acknowledgements": sum(answer.is_acknowledged for answer in world.answers),
            "asked_again": sum(answer.what == "again" for answer in world.answers),
            "unanswered": sum(answer.status == 0 for answer in world.answers),
            "cancels": sum(_is(answer.what, "cancel", answer.status) for answer in world.answers),
            "replaces": sum(_is(answer.what, "replace", answer.status) for answer in world.answers),
            "submissions": dict(Counter(order.submission for order in world.orders)),
            "statuses": dict(Counter(str(order.status) for order in world.orders)),
        },
        "exposed": len(exposed),
        "faults": dict(Counter(request.fault for request in world.requests if request.fault)),
        "webhooks": _webhooks(world),
        "own_doubles": len(world.own_doubles),
        "halts": len(world.halts),
        "kills": _kills(world),
        "wrongs": dict(outcome.wrongs),
        "doubt": _doubt(world),
        "fills": {
            "theirs": len(world.trades),
            "ours": len(world.fills),
            "by_kind": dict(Counter(fill.kind for fill in world.fills)),
            "lag": percentiles(
                (fill.heard_at - fill.executed_at).total_seconds()
                for fill in world.fills
                if fill.kind == LAG_FROM
            ),
        },
        "views": {"sampled": outcome.sampled, "distinct": len(world.samples)},
        "checks": {
            name: {
                "says": CHECKS[name].says,
                "violations": len(found),
                "first": found[:FIRST],
                "after": _after(found, outcome.intents),
            }
            for name, found in outcome.violations.items()
        },
        "bound": bound(len(exposed)),
    }


def bound(trials: int) -> float | None:
    """Return the rate that no violation in so many trials rules out, at 95 %: three in n."""
    return 3 / trials if trials else None


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return what half, nine in ten, 99 in 100 and all of some seconds are below."""
    ranked = sorted(values)
    if not ranked:
        return {}
    return {
        name: round(ranked[min(int(len(ranked) * share), len(ranked) - 1)], 3)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
    }


def spans_of_doubt(world: World) -> tuple[list[float], int]:
    """Return how long each doubt lasted that has ended, and how many have not."""
    changes = [event for event in world.events if "submission" in event.after]
    ended, still = [], 0
    for story in grouped(changes, lambda event: event.order_id).values():
        began: datetime | None = None
        for event in story:
            if event.after["submission"] == "unknown":
                began = event.at
            elif began is not None:
                ended.append((event.at - began).total_seconds())
                began = None
        still += began is not None
    return ended, still


def _exposed(world: World) -> set[tuple[str, str]]:
    """Return the orders of which a request met a fault, or a webhook was lost or spoiled."""
    struck = {(r.account, r.wire_id) for r in world.requests if r.fault}
    names = {
        (version.account, version.broker_order_id): version.wire_id for version in world.versions
    }
    for push in world.pushes:
        order = "P-" + push.delivery_id.removeprefix("msg_").rpartition("-")[0]
        if push.fault and (push.account, order) in names:
            struck.add((push.account, names[push.account, order]))
    return struck


def _webhooks(world: World) -> dict[str, Any]:
    taken = Counter((p.account, p.delivery_id) for p in world.pushes if p.was_taken)
    return {
        "tries": len(world.pushes),
        "taken": taken.total(),
        "taken_again": taken.total() - len(taken),
        "faults": dict(Counter(push.fault for push in world.pushes if push.fault)),
        "kept": len(world.deliveries),
        "turned_away": sum(400 <= push.status < 500 for push in world.pushes),
    }


def _kills(world: World) -> dict[str, Any]:
    return {
        "total": len(world.deaths),
        "by_role": dict(Counter(death.role for death in world.deaths)),
        "by_cause": dict(Counter(death.cause for death in world.deaths)),
        "by_window": dict(Counter(death.point for death in world.deaths if death.point)),
    }


def _doubt(world: World) -> dict[str, Any]:
    ended, still = spans_of_doubt(world)
    return {"entered": len(ended) + still, "left": len(ended), "seconds": percentiles(ended)}


def _after(found: Sequence[str], intents: Mapping[str, int]) -> int | None:
    """Return how many orders had been asked for when the first offender was."""
    numbers = [intents[line.split()[0]] for line in found if line.split()[0] in intents]
    return min(numbers) + 1 if numbers else None


def _is(what: str, wanted: str, status: int) -> bool:
    return what == wanted and 200 <= status < 300


def _machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpus": os.cpu_count(),
        "memory_gb": round(pages / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _git(*command: str) -> str:
    done = subprocess.run(
        ["git", *command], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
