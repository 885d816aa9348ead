"""The programs that make up a desk, and how each is told where the others are."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from embedded.postgres import Postgres
from embedded.programs import Program, file_appears, http_answers, server_answers
from embedded.valkey import Valkey

CHECKOUT = Path(__file__).resolve().parent.parent
GIVEN = ("DATABASE_URL", "REDIS_URL")


def embedded_servers(data: Path, environment: dict[str, str]) -> Iterator[Program]:
    """Prepare and yield the servers that nobody has given us, and name them in the environment.

    Raises Unusable if one is needed and cannot be had.
    """
    environment |= {name: os.environ[name] for name in GIVEN if os.environ.get(name)}
    if "DATABASE_URL" not in environment:
        postgres = Postgres(data=data)
        postgres.prepare()
        environment["DATABASE_URL"] = postgres.url()
        yield Program(
            name="postgres",
            command=postgres.command(),
            ready=server_answers(postgres.answers),
            stop_signal=postgres.stop_signal,
            death_signal=postgres.stop_signal,
            quiet=True,
        )
    if "REDIS_URL" not in environment:
        valkey = Valkey(data=data)
        environment["REDIS_URL"] = valkey.url
        yield Program(
            name="valkey",
            command=valkey.command(),
            ready=server_answers(valkey.answers),
            stop_signal=valkey.stop_signal,
            death_signal=valkey.stop_signal,
            quiet=True,
        )


def programs(data: Path, environment: Mapping[str, str], *, port: int) -> Iterator[Program]:
    """Yield the desk's own programs: exchange, web, worker, clock."""
    paper_port = urlsplit(environment["DESK_PAPER_URL"]).port or 80
    yield Program(
        name="paper",
        command=[
            *(sys.executable, "-m", "brokers.paper"),
            *("--port", str(paper_port)),
            *("--data", str(data / "paper")),
        ],
        environment=environment,
        ready=http_answers(paper_port, "/healthz", at_most=200),
    )
    yield Program(
        name="web",
        command=[
            *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
            *("--port", str(port)),
            *("--lifespan", "off"),
            *("--ws-per-message-deflate", "false"),  # else each open page costs twice the memory
            *("--ws-max-size", "4096"),  # pages have nothing to say, and nobody else may say much
            *("--timeout-graceful-shutdown", "5"),
            "--no-access-log",
        ],
        environment=environment,
        # 400 is an answer too: a desk that is told its public name refuses to be called 127.0.0.1
        ready=http_answers(port, "/healthz", at_most=400),
    )
    # As root, Celery warns of pickled messages. Ours are JSON, and nothing else is accepted.
    python = (sys.executable, "-W", "ignore:You're running the worker with superuser privileges")
    celery = (*python, "-m", "celery", "--quiet", "--app", "config")
    yield at_work(
        "worker",
        [*celery, "worker", "--pool", "threads", "--concurrency", "16", "--without-mingle"],
        data,
        environment,
    )
    yield at_work("beat", [*celery, "beat", "--scheduler", "orders.clock:Clock"], data, environment)


def stream(data: Path, environment: Mapping[str, str]) -> tuple[Program, Callable[[], bool]]:
    """Return the bridge to brokers' streams, and whether there is any for it to keep.

    The workers say so by a file, as they come to know: most desks need no such process.
    """
    said = data / "stream.wanted"
    said.unlink(missing_ok=True)  # of another day
    return manage("stream", environment), said.exists


def at_work(name: str, command: list[str], data: Path, environment: Mapping[str, str]) -> Program:
    """Return a Celery program, ready when it says so through a file: it has no port to ask."""
    said = data / f"{name}.ready"
    said.unlink(missing_ok=True)
    return Program(
        name=name,
        command=command,
        environment={**environment, "DESK_READY_FILE": str(said)},
        ready=file_appears(said),
    )


def manage(
    command: str, environment: Mapping[str, str], *arguments: str, bare: bool = False
) -> Program:
    """Return a management command, to be run once."""
    return Program(
        name=command,
        command=[sys.executable, "manage.py", command, *arguments],
        environment=environment,
        bare=bare,
    )
