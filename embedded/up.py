"""`./desk up`: the whole desk on one machine, until Ctrl-C.

Run as `python -m embedded.up --port 8000 --data .desk` by the launcher, which has installed what
it needs.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from embedded.environment import desk_environment, require_free, write_variables
from embedded.lineup import CHECKOUT, embedded_servers, manage, programs, stream
from embedded.occupying import only_desk_in
from embedded.places import Unusable
from embedded.supervisor import Supervisor


def main(arguments: list[str] | None = None) -> int:
    """Run the desk; return the launcher's exit status."""
    parser = argparse.ArgumentParser(prog="desk up")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--data", type=Path, default=Path(".desk"))
    parser.add_argument("--once", action="store_true", help="come up, and stop again")
    options = parser.parse_args(arguments)
    try:
        data = options.data.resolve()
        os.chdir(CHECKOUT)
        with only_desk_in(data):
            require_free(options.port)
            return asyncio.run(run(data, port=options.port, once=options.once))
    except Unusable as reason:
        print(f"desk: {reason}", file=sys.stderr)
        return 1


async def run(data: Path, *, port: int, once: bool) -> int:
    """Start everything in order, wait for the end, stop everything in order."""
    began = time.monotonic()
    environment = desk_environment(data, port=port, given=os.environ)
    remembered = data / "desk.env"
    supervisor = Supervisor()
    supervisor.heed_signals()
    try:
        for server in embedded_servers(data, environment):
            await supervisor.start(server)  # one by one, so that they stop one by one
        write_variables(remembered, environment)
        migrated = await supervisor.run_once(manage("migrate", environment, "--verbosity=0"))
        if not migrated and not supervisor.stopping.is_set():
            raise Unusable("The database could not be brought up to date; why is said above.")
        if not supervisor.stopping.is_set():
            await supervisor.start(*programs(data, environment, port=port))
            supervisor.run_while(*stream(data, environment))
        if not supervisor.stopping.is_set():
            supervisor.say(f"ready after {time.monotonic() - began:.1f} s")
            welcomed = await supervisor.run_once(manage("welcome", environment, bare=True))
            if once:
                return 0 if welcomed else 1
        await supervisor.stopping.wait()
    except Unusable as reason:
        supervisor.say(str(reason))
        return 1
    finally:
        await supervisor.stop()
        remembered.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
