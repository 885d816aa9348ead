"""Locks the newest versions that pyproject.toml allows, from the public index and nothing else.

The locks hold names, versions, markers and hashes, and no address: whoever installs takes them from
an index of their own. This machine's settings are kept out of them, for hashes are all that stands
between a reader of these files and a package of the same name from somewhere else.
`python -m tools.lock` upgrades all; `--keep` adds only what pyproject.toml has come to need.
"""

import os
import subprocess
import sys

from embedded.fetching import DEFAULT_INDEX, fetch_uv
from embedded.installing import CHECKOUT

LOCKS = {  # in this order: each holds to the versions of those before it
    "requirements.lock": ["pyproject.toml"],
    "requirements-embedded.lock": ["--group", "embedded"],
    "requirements-dev.lock": ["--group", "dev"],
}
OURS = ("UV_", "PIP_")  # variables that set up an index


def main(arguments: list[str]) -> int:
    """Write the locks; return an exit status."""
    if arguments not in ([], ["--keep"]):
        print(__doc__)
        return 2
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(OURS)
    } | {"UV_NO_CONFIG": "1", "UV_SYSTEM_CERTS": "1", "UV_DEFAULT_INDEX": DEFAULT_INDEX}
    uv = fetch_uv(CHECKOUT / ".desk" / "tools", environment)
    constraints: list[str] = []
    for lock, sources in LOCKS.items():
        subprocess.run(
            [
                *(uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes"),
                *("--no-header", "--no-annotate", "--python-version", "3.11"),
                *([] if arguments else ["--upgrade"]),
                *(*sources, *constraints, "--output-file", lock),
            ],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        constraints += ["--constraints", lock]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
