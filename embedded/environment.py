"""What the desk's programs are told, and the files that remember it between runs.

Secrets are made on the first run and kept in the data directory, readable by its owner alone. What
the launcher's own environment says wins over what is kept.
"""

import base64
import hashlib
import os
import secrets
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path

from embedded.places import Unusable


def write_variables(path: Path, variables: Mapping[str, str]) -> None:
    """Write a file that a shell can source and `read_variables` can read, for our eyes only."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with open(draft, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    draft.replace(path)


def read_variables(path: Path) -> dict[str, str]:
    """Read what `write_variables` wrote; nothing if there is no such file."""
    if not path.exists():
        return {}
    pairs = (word.partition("=") for word in shlex.split(path.read_text()))
    return {name: value for name, _, value in pairs}


def kept_secrets(data: Path) -> dict[str, str]:
    """Return the data directory's own secrets, making on the first run what is missing."""
    path = data / "secrets.env"
    kept = read_variables(path)
    fresh = {
        "DESK_SECRET_KEY": secrets.token_urlsafe(64),
        "DESK_CREDENTIAL_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "DESK_PAPER_TOKEN": secrets.token_urlsafe(32),
    }
    if not fresh.keys() <= kept.keys():
        kept = fresh | kept
        write_variables(path, kept)
    return kept


def desk_environment(data: Path, *, port: int, given: Mapping[str, str]) -> dict[str, str]:
    """Return every DESK_ variable for the programs of the desk in this directory."""
    own = {
        "DESK_ENVIRONMENT": "embedded",
        "DESK_DATA": str(data),
        "DESK_PREFIX": "desk-" + hashlib.sha256(os.fsencode(data)).hexdigest()[:8],
        "DESK_URL": f"http://127.0.0.1:{port}",
        "DESK_PAPER_URL": f"http://127.0.0.1:{kept_port(data / 'paper.port')}",
        **kept_secrets(data),
    }
    return own | {name: value for name, value in given.items() if name.startswith("DESK_")}


def kept_port(path: Path) -> int:
    """Return the port this file remembers if it is still free, else a free one, remembered."""
    if path.exists() and is_free(kept := int(path.read_text())):
        return kept
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    path.write_text(f"{port}\n")
    return port


def is_free(port: int) -> bool:
    """Say whether a server could listen on this local port now."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def require_free(port: int) -> None:
    """Raise Unusable if another program holds the port."""
    if not is_free(port):
        raise Unusable(
            f"Port {port} is in use by another program. Choose another: ./desk up --port {port + 1}"
        )
