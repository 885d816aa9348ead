"""A supervisor over stand-ins: `python -m tests.embedded.small_desk FOLDER SCENE`.

Each stand-in writes what happens to it into FOLDER/log, a line at a time.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from embedded import supervisor as supervising
from embedded.lineup import embedded_servers
from embedded.places import Unusable
from embedded.programs import Program, file_appears
from embedded.supervisor import Supervisor

STAND_IN = """
import os, signal, sys, time
name, manner, folder = sys.argv[1:]
def note(word):
    with open(f"{folder}/log", "a") as log:
        log.write(f"{name} {word} {os.getpid()}\\n")
def stop(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if manner == "stubborn" else stop)
note("started")
if manner == "broken":
    sys.exit(3)
open(f"{folder}/{name}.ready", "w").close()
time.sleep(60)
"""


def stand_in(name: str, folder: Path, *, manner: str = "good") -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-S", "-c", STAND_IN, name, manner, str(folder)],
        ready=file_appears(folder / f"{name}.ready"),
    )


async def never() -> bool:
    return False


async def run(folder: Path, scene: str) -> int:
    supervising.AGAIN_AFTER = (0.05,)
    supervisor = Supervisor()
    supervisor.heed_signals()
    try:
        if scene == "real servers":
            for server in embedded_servers(folder, {}):
                await supervisor.start(server)
        await supervisor.start(stand_in("store", folder))
        await supervisor.start(
            stand_in("web", folder),
            stand_in("worker", folder, manner=scene if scene == "stubborn" else "good"),
        )
        if scene == "now and then":
            supervising.LOOK_EVERY = 0.05
            wanted = folder / "wanted"
            supervisor.run_while(stand_in("stream", folder), wanted.exists)
        if scene == "broken":
            await supervisor.start(stand_in("late", folder, manner="broken"))
        if scene == "slow":
            supervising.START_WITHIN = 0.3
            await supervisor.start(replace(stand_in("late", folder), ready=never))
        supervisor.say("ready")
        await supervisor.stopping.wait()
    except Unusable as reason:
        supervisor.say(str(reason))
        return 1
    finally:
        await supervisor.stop()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(Path(sys.argv[1]), sys.argv[2])))
