"""Copies other people's browser files into static/vendor: a page needs nothing but the desk.

`python -m tools.vendor` fetches the versions named here with npm and rewrites the lock;
`python -m tools.vendor --check` compares what is committed with the lock, offline. A version that
is in the lock is accepted from the registry only with the integrity recorded there.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "static" / "vendor"
LOCK = Path(__file__).with_name("vendor.lock.json")


@dataclass(frozen=True)
class Package:
    """One npm package: which of its files we serve, under which names."""

    name: str
    version: str
    folder: str
    files: dict[str, str]
    notice: str = ""  # what its licence asks to be said, where the package itself has no file of it


PACKAGES = [
    Package(
        name="htmx.org",
        version="4.0.1",
        folder="htmx",
        files={
            "LICENSE": "LICENSE",
            "dist/htmx.min.js": "htmx.js",
            "dist/ext/hx-ws.min.js": "hx-ws.js",
            "dist/ext/hx-upsert.min.js": "hx-upsert.js",
        },
    ),
    Package(
        name="lightweight-charts",
        version="5.2.1",
        folder="lightweight-charts",
        files={
            "LICENSE": "LICENSE",
            "dist/lightweight-charts.standalone.production.js": "lightweight-charts.js",
        },
        notice=(
            "TradingView Lightweight Charts™\n"
            "Copyright (c) 2026 TradingView, Inc. https://www.tradingview.com/\n"
        ),
    ),
    Package(
        name="@fontsource-variable/inter",
        version="5.3.0",
        folder="inter",
        files={"LICENSE": "LICENSE", "files/inter-latin-wght-normal.woff2": "inter.woff2"},
    ),
]


def main(arguments: list[str]) -> int:
    """Vendor, or check; return an exit status."""
    if arguments == ["--check"]:
        faults = differences()
        print("\n".join(faults) or "static/vendor is as locked.")
        return 1 if faults else 0
    if arguments:
        print(__doc__)
        return 2
    vendor()
    return 0


def vendor() -> None:
    """Fetch every package anew, and write its files and the lock."""
    locked = json.loads(LOCK.read_text()) if LOCK.exists() else {}
    lock = {}
    shutil.rmtree(TARGET, ignore_errors=True)
    for package in PACKAGES:
        known = locked.get(package.name, {})
        expected = known.get("integrity") if known.get("version") == package.version else None
        integrity = fetch(package, expected=expected)
        lock[package.name] = {
            "version": package.version,
            "integrity": integrity,
            "files": {
                f"{package.folder}/{path.name}": digest(path)
                for path in sorted((TARGET / package.folder).iterdir())
            },
        }
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")


def fetch(package: Package, *, expected: str | None) -> str:
    """Copy one package's files out of its tarball; return the tarball's integrity."""
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(
            ["npm", "pack", "--silent", "--json", f"{package.name}@{package.version}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        tarball = Path(folder) / json.loads(said.stdout)[0]["filename"]
        sha512 = hashlib.sha512(tarball.read_bytes()).digest()
        integrity = f"sha512-{base64.b64encode(sha512).decode()}"
        if expected not in {None, integrity}:
            raise SystemExit(f"{package.name} {package.version} is not what the lock says it is.")
        target = TARGET / package.folder
        target.mkdir(parents=True)
        with tarfile.open(tarball) as files:
            for source, name in package.files.items():
                member = files.extractfile(f"package/{source}")
                if member is None:
                    raise SystemExit(f"{package.name} {package.version} has no {source}.")
                (target / name).write_bytes(member.read())
    if package.notice:
        (target / "NOTICE").write_text(package.notice)
    return integrity


def differences() -> list[str]:
    """Compare what is committed with the lock, and the lock with the versions named here."""
    lock = json.loads(LOCK.read_text())
    faults = [
        f"{package.name}: the lock does not have {package.version}"
        for package in PACKAGES
        if lock.get(package.name, {}).get("version") != package.version
    ]
    locked = {name: sha for entry in lock.values() for name, sha in entry["files"].items()}
    found = {
        str(path.relative_to(TARGET)): digest(path)
        for path in sorted(TARGET.rglob("*"))
        if path.is_file()
    }
    faults += [f"{name}: missing" for name in locked.keys() - found.keys()]
    faults += [f"{name}: not in the lock" for name in found.keys() - locked.keys()]
    faults += [
        f"{name}: changed" for name in locked.keys() & found.keys() if locked[name] != found[name]
    ]
    return sorted(faults)


def digest(path: Path) -> str:
    """Return a file's sha256, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
