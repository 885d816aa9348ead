"""Brings .venv to what the lock files name, with nothing at hand but Python and a package index.

A bare Debian has neither pip nor venv, so uv is fetched as the wheel that it is: from the user's own
index, and only if it is the wheel whose digest stands here. uv then checks every other package's.
"""

import base64
import configparser
import fcntl
import hashlib
import html
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from embedded.places import Unusable, private_folder

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed-locks"

DEFAULT_INDEX = "https://pypi.org/simple"
UV = "0.13.8"
UV_WHEELS = {  # how a wheel's name ends -> its sha256
    "manylinux2014_x86_64": "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
    "musllinux_1_1_x86_64": "29451c60f5e8b07403e0a175d5229efc36b0289b34143ff4aaa499a5dd52553a",
    "musllinux_1_1_aarch64": "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
    "macosx_11_0_arm64": "62b6943c7fd64fac6854f780bea6e0359e5a5bc3241f83ee357bb38276afac49",
    "macosx_10_12_x86_64": "b7124ca1956ec2e476a1003ea5715a15f0266afaec37f4dc9c6972ba8183e6d1",
}


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
        uv = fetch_uv(environment)
        if not before or before[0].split()[-1] != wanted[0].split()[-1]:
            _run(uv, "venv", "--clear", "--python", sys.executable, str(VENV), env=environment)
        _run(uv, "pip", "sync", "--require-hashes", "--python", str(PYTHON), *locks, env=environment)
        packages = next(VENV.glob("lib/python3*/site-packages"))
        # lets plain `pytest` and `mypy` in .venv/bin find the desk from anywhere
        (packages / "blotter.pth").write_text(f"{CHECKOUT}\n")
        STAMP.write_text("\n".join(wanted) + "\n")


def uv_environment() -> dict[str, str]:
    """Return uv's environment: the index and certificates that pip would use, and no downloads of Python."""
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


def fetch_uv(environment: dict[str, str]) -> str:
    """Return the path of the pinned uv, fetching it on first use. DESK_UV names one to use instead."""
    if named := os.environ.get("DESK_UV"):
        return named
    tool = CHECKOUT / ".desk" / "tools" / f"uv-{UV}"
    if tool.exists():
        return str(tool)
    platform_tag = _platform_tag()
    if platform_tag not in UV_WHEELS:
        raise Unusable(f"No uv is pinned for {platform_tag}. Install uv {UV} and name it by DESK_UV.")
    if certificates := environment.get("SSL_CERT_FILE"):
        os.environ["SSL_CERT_FILE"] = certificates  # urllib reads it from there
    index = environment.get("UV_DEFAULT_INDEX", DEFAULT_INDEX).rstrip("/") + "/uv/"
    try:
        wheel = _read(_link(index, ending=f"{platform_tag}.whl"))
    except (URLError, OSError) as error:
        raise Unusable(f"The package index could not be read: {error}") from error
    if hashlib.sha256(wheel).hexdigest() != UV_WHEELS[platform_tag]:
        raise Unusable(f"The index's uv {UV} is not the one we know: its digest differs.")
    private_folder(tool.parent)
    packed, draft = tool.with_suffix(".whl"), tool.with_suffix(".draft")
    packed.write_bytes(wheel)
    with zipfile.ZipFile(packed) as files, open(draft, "wb") as target:
        with files.open(f"uv-{UV}.data/scripts/uv") as source:
            shutil.copyfileobj(source, target)
    draft.chmod(0o755)
    draft.replace(tool)
    packed.unlink()
    return str(tool)


def _link(index: str, *, ending: str) -> str:
    page = _read(index).decode()
    for target in re.findall(r'<a\s[^>]*href="([^"]+)"', page):
        link = urljoin(index, html.unescape(target)).partition("#")[0]
        name = unquote(link.rsplit("/", 1)[-1])
        if name.startswith(f"uv-{UV}-") and name.endswith(ending):
            return link
    raise Unusable(f"The package index has no uv {UV} for this platform ({ending}).")


def _read(url: str) -> bytes:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        return (path / "index.html" if path.is_dir() else path).read_bytes()
    headers = {"Accept": "text/html"}
    if parts.username:  # urllib does not read a password out of an address
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    with urlopen(Request(bare, headers=headers), timeout=60) as answer:
        content: bytes = answer.read()
    return content


def _platform_tag() -> str:
    machine = platform.machine()
    if sys.platform == "darwin":
        return "macosx_11_0_arm64" if machine == "arm64" else "macosx_10_12_x86_64"
    if machine == "aarch64":
        return "musllinux_1_1_aarch64"  # one wheel for both C libraries
    return ("manylinux2014_" if platform.libc_ver()[0] == "glibc" else "musllinux_1_1_") + machine


def _needs_embedded() -> bool:
    def told(*names: str) -> bool:
        return any(os.environ.get(name) for name in names)

    return not (told("DATABASE_URL", "DESK_PG_BIN") and told("REDIS_URL", "DESK_VALKEY_SERVER"))


def _digest(name: str) -> str:
    return hashlib.sha256((CHECKOUT / name).read_bytes()).hexdigest()


def _run(*command: str, env: dict[str, str]) -> None:
    tool, action, *rest = command
    done = subprocess.run([tool, action, *rest, "--quiet"], env=env, cwd=CHECKOUT, check=False)
    if done.returncode != 0:
        raise Unusable("The packages could not be installed; uv says why above.")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    private_folder(CHECKOUT / ".desk")
    with open(CHECKOUT / ".desk" / "installing.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
