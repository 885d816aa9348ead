"""One run, from an empty directory to what was found: come up, drive, break, calm, compare."""

from __future__ import annotations

import os
from collections.abc import Callable

import django

from tests.chaos import nemesis
from tests.chaos import plan as planning
from tests.chaos.checking import check_all
from tests.chaos.lineup import ChaosDesk
from tests.chaos.mutants import MUTANTS
from tests.chaos.options import Options, Outcome, Stopwatch
from tests.chaos.record import Record


def run(options: Options, *, say: Callable[[str], None]) -> Outcome:
    """Run once, and return what it came to. The evidence stays in `options.out`.

    Once in a process: Django can be pointed at one desk only.
    """
    timed = Stopwatch()
    options.out.mkdir(parents=True, exist_ok=True)
    aim = MUTANTS[options.mutant].aim if options.mutant else None
    if aim is None:
        plan = planning.make(options.seed, orders=options.orders)
        actions = nemesis.plan(
            options.seed,
            orders=options.orders,
            kills=options.kills,
            per_window=options.per_window,
        )
    else:
        plan, actions = planning.aimed(options.seed, aim), nemesis.aimed(aim)
    defect = None if options.sound else options.mutant
    record = Record(options.out / "record.jsonl")
    with ChaosDesk(options.out / "desk", seed=options.seed, mutant=defect) as desk:
        timed.note("coming up")
        say(f"Up: {', '.join(desk.pids())}. Evidence in {options.out}.")
        os.environ.update(desk.environment)
        django.setup()
        from tests.chaos.inside import Course  # noqa: PLC0415 — models, which Django has now

        course = Course(
            desk,
            options=options,
            plan=plan,
            actions=actions,
            record=record,
            timed=timed,
            say=say,
        )
        world = course.world()
        timed.note("taking down testimony")
    record.close()
    violations = check_all(world)
    timed.note("checking")
    return Outcome(
        options=options,
        world=world,
        violations=violations,
        seconds=timed.parts,
        sampled=record.sampled,
        brokers=plan.brokers,
        wrongs=course.wrongs,
        intents={
            name: intent.number
            for intent in plan.intents
            for name in (intent.client_order_id, intent.replacement_id)
            if name
        },
    )
