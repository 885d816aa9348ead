"""Brings .venv to what the lock files name, with nothing at hand but Python and a package index."""

import configparser
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from embedded.fetching import fetch_uv
from embedded.places import Unusable, private_folder

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed-locks"  # which locks, with what digests, for which Python


def install(*, dev: bool = False) -> None:
    """Install what is missing; quick when nothing is.

    What an earlier command added stays, so that `up` and `test` do not undo each other.
    Raises Unusable where the packages cannot be had.
    """
    with _one_at_a_time():
        before = STAMP.read_text().splitlines() if STAMP.exists() and PYTHON.exists() else []
        names = {line.split()[0] for line in before} | {"requirements.lock"}
        if _needs_embedded():
            names.add("requirements-embedded.lock")
        if dev:
            names.add("requirements-dev.lock")
        locks = sorted(names)
        wanted = [f"{name} {_digest(name)} {sys.version.split()[0]}" for name in locks]
        if wanted == before:
            return
        print("desk: installing packages", file=sys.stderr)
        environment = uv_environment()
        uv = fetch_uv(CHECKOUT / ".desk" / "tools", environment)
        if not before or before[0].split()[-1] != wanted[0].split()[-1]:
            _run(uv, "venv", "--clear", "--python", sys.executable, str(VENV), env=environment)
        _run(
            uv, "pip", "sync", "--require-hashes", "--python", str(PYTHON), *locks, env=environment
        )
        packages = next(VENV.glob("lib/python3*/site-packages"))
        # lets plain `pytest` and `mypy` in .venv/bin find the desk from anywhere
        (packages / "blotter.pth").write_text(f"{CHECKOUT}\n")
        STAMP.write_text("\n".join(wanted) + "\n")


def uv_environment() -> dict[str, str]:
    """Return uv's environment: pip's index and certificates, and no Python but this one."""
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    configured = pip_configuration()
    if index := os.environ.get("UV_DEFAULT_INDEX") or configured.get("index-url"):
        environment["UV_DEFAULT_INDEX"] = index
    if certificates := configured.get("cert"):
        environment.setdefault("SSL_CERT_FILE", certificates)
    return environment


def pip_configuration() -> dict[str, str]:
    """Return what pip is set up with on this machine, its files overruled by its variables."""
    home = Path.home()
    files = [
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        Path(os.environ.get("XDG_CONFIG_HOME", home / ".config")) / "pip" / "pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    if named := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(named))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(files)
    found = {}
    for name in ("index-url", "cert"):
        variable = os.environ.get("PIP_" + name.upper().replace("-", "_"))
        value = variable or parser.get("global", name, fallback="")
        if value:
            found[name] = value
    return found


def _needs_embedded() -> bool:
    def told(*names: str) -> bool:
        return any(os.environ.get(name) for name in names)

    return not (told("DATABASE_URL", "DESK_PG_BIN") and told("REDIS_URL", "DESK_VALKEY_SERVER"))


def _digest(name: str) -> str:
    return hashlib.sha256((CHECKOUT / name).read_bytes()).hexdigest()


def _run(*command: str, env: Mapping[str, str]) -> None:
    tool, action, *rest = command
    done = subprocess.run([tool, action, *rest, "--quiet"], env=env, cwd=CHECKOUT, check=False)
    if done.returncode != 0:
        raise Unusable("The packages could not be installed; uv says why above.")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    private_folder(CHECKOUT / ".desk")
    with (CHECKOUT / ".desk" / "installing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
