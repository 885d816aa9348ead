"""Starts programs in order, keeps them running, and stops them in the opposite order.

Every child has its own session, so Ctrl-C in a terminal reaches the supervisor alone and the order
of stopping is ours to choose. Single-threaded on purpose: children are forked from here.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from embedded.places import Unusable
from embedded.programs import Program
from embedded.spawning import die_with_parent

START_WITHIN = 60.0  # seconds; imports on a cold disk are slow
STOP_WITHIN = 30  # longer than the longest conversation with a broker: let it end
AGAIN_AFTER = (1, 2, 4, 8, 15, 30)  # seconds before a crashed program is started again
LOOK_EVERY = 1.0  # seconds between looks whether a program is wanted
SETTLED_AFTER = 60  # seconds of running that clear its record
COLOURS = (36, 33, 32, 35, 34, 96, 93)


class Child:
    """One program, running."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process) -> None:
        self.program = program
        self.process = process
        self.last_words: deque[str] = deque(maxlen=20)
        self.started_at = asyncio.get_running_loop().time()

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    def send(self, what: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(what)


class Supervisor:
    """Runs programs for as long as nobody asks it to stop."""

    def __init__(self) -> None:
        self.stages: list[list[str]] = []  # names, in the order of starting
        self.children: dict[str, Child] = {}
        self.stopping = asyncio.Event()
        self._spawning = asyncio.Lock()
        self._keepers: list[asyncio.Task[None]] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self._colours: dict[str, int] = {}

    def heed_signals(self) -> None:
        """Stop in order at the first Ctrl-C, SIGTERM or hang-up; kill everything at the second."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)

    async def start(self, *programs: Program) -> None:
        """Start programs together, and return once every one of them is ready.

        Raises Unusable if one ends before that; stopping meanwhile returns early.
        """
        self.stages.append([program.name for program in programs])
        for program in programs:
            self.children[program.name] = await self._spawn(program)
        waiting = {
            asyncio.create_task(self._becomes_ready(program)): program.name for program in programs
        }
        done, late = await asyncio.wait(
            waiting, timeout=START_WITHIN, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in late:
            task.cancel()
        for task in done:
            task.result()
        if late:
            names = " and ".join(sorted(waiting[task] for task in late))
            raise Unusable(f"Not ready after {START_WITHIN} s: {names}.")
        self._keepers += [asyncio.create_task(self._keep(program)) for program in programs]

    def run_while(self, program: Program, wanted: Callable[[], bool]) -> None:
        """Keep a program running for as long as it is wanted, which may be never or change.

        It stops together with what was started last before.
        """
        self.stages[-1].append(program.name)
        self._keepers.append(asyncio.create_task(self._keep_while(program, wanted)))

    async def run_once(self, program: Program) -> bool:
        """Run a program to its end, or until somebody asks to stop. Return whether it succeeded."""
        child = self.children[program.name] = await self._spawn(program)
        ended = asyncio.create_task(child.process.wait())
        asked = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([ended, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        return child.process.returncode == 0

    async def stop(self) -> None:
        """Stop what was started last first; within a stage, all together."""
        self.stopping.set()
        async with self._spawning:  # whoever is being started again has been
            pass
        staged = {name for stage in self.stages for name in stage}
        loose = [name for name in self.children if name not in staged]
        for stage in [loose, *reversed(self.stages)]:
            await self._stop_together([self.children[n] for n in stage if n in self.children])
        await asyncio.gather(*self._keepers, *self._pumps)

    def say(self, line: str, *, name: str = "desk") -> None:
        """Print a line under a program's name."""
        label = f"{name:<8} |"
        if sys.stdout.isatty():
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            label = f"\033[{colour}m{label}\033[0m"
        print(label, line, flush=True)

    async def _spawn(self, program: Program) -> Child:
        process = await asyncio.create_subprocess_exec(
            *program.command,
            env={**os.environ, **program.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(program.death_signal),
        )
        child = Child(program, process)
        pump = asyncio.create_task(self._pump(child))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)
        return child

    async def _pump(self, child: Child) -> None:
        said = child.process.stdout
        while said is not None:
            try:
                line = (await said.readline()).decode(errors="replace")
            except ValueError:
                line = "(a line too long to show)\n"
            if not line:
                return
            if child.program.quiet:
                child.last_words.append(line.rstrip())
            elif child.program.bare:
                print(line, end="", flush=True)
            elif line.strip():
                self.say(line.rstrip(), name=child.program.name)

    def _say_last_words(self, child: Child) -> None:
        for line in child.last_words:
            self.say(line, name=child.program.name)

    async def _becomes_ready(self, program: Program) -> None:
        child = self.children[program.name]
        while not self.stopping.is_set():
            if child.ended:
                self._say_last_words(child)
                raise Unusable(f"{program.name} {_how_it_ended(child)} before it was ready.")
            if await program.ready():
                return
            await asyncio.sleep(0.05)

    async def _keep(self, program: Program) -> None:
        crashes = 0
        clock = asyncio.get_running_loop().time
        while True:
            child = self.children[program.name]
            await child.process.wait()
            if self.stopping.is_set():
                return
            if clock() - child.started_at > SETTLED_AFTER:
                crashes = 0
            pause = AGAIN_AFTER[min(crashes, len(AGAIN_AFTER) - 1)]
            crashes += 1
            self._say_last_words(child)
            self.say(f"{program.name} {_how_it_ended(child)}; starting it again in {pause} s")
            await self._pause(pause)
            async with self._spawning:
                if self.stopping.is_set():
                    return
                self.children[program.name] = await self._spawn(program)

    async def _keep_while(self, program: Program, wanted: Callable[[], bool]) -> None:
        crashes = 0
        clock = asyncio.get_running_loop().time
        while not self.stopping.is_set():
            if not wanted():
                await self._pause(LOOK_EVERY)
                continue
            async with self._spawning:
                if self.stopping.is_set():
                    return
                child = self.children[program.name] = await self._spawn(program)
            while wanted() and not child.ended and not self.stopping.is_set():
                await self._pause(LOOK_EVERY)
            if self.stopping.is_set():
                return
            if not child.ended:
                self.say(f"{program.name} is not needed any more")
                await self._stop_together([child])
                continue
            crashes = 0 if clock() - child.started_at > SETTLED_AFTER else crashes
            pause = AGAIN_AFTER[min(crashes, len(AGAIN_AFTER) - 1)]
            crashes += 1
            self.say(f"{program.name} {_how_it_ended(child)}; starting it again in {pause} s")
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until somebody asks to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def _stop_together(self, children: Sequence[Child]) -> None:
        running = [child for child in children if not child.ended]
        for child in running:
            child.send(child.program.stop_signal)
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await asyncio.gather(*(child.process.wait() for child in running))
        except TimeoutError:
            for child in running:
                if not child.ended:
                    self.say(f"{child.program.name} did not stop in {STOP_WITHIN} s; killing it")
                    child.send(signal.SIGKILL)
            await asyncio.gather(*(child.process.wait() for child in running))

    def _asked_to_stop(self) -> None:
        if not self.stopping.is_set():
            self.say("stopping; Ctrl-C again to kill")
            self.stopping.set()
            return
        for child in self.children.values():
            child.send(signal.SIGKILL)


def _how_it_ended(child: Child) -> str:
    code = child.process.returncode or 0
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"
