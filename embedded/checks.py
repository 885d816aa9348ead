"""`./desk check`: everything that can be said of the code without running it."""

import os
import subprocess
import sys
import time

from embedded.lineup import CHECKOUT

PRODUCTION = {  # what a deployed desk is told, with secrets of the right shape
    "DESK_ENVIRONMENT": "production",
    "DESK_URL": "https://desk.example",
    "DESK_SECRET_KEY": "".join(chr(33 + number % 90) for number in range(0, 640, 11)),
    "DESK_CREDENTIAL_KEYS": "A" * 43 + "=",
    "DATABASE_URL": "postgresql://desk@database.example/desk",
    "REDIS_URL": "redis://redis.example:6379/0",
}
CHECKS = {
    "lint": ["ruff", "check", "--output-format", "concise"],
    "format": ["ruff", "format", "--check", "--output-format", "concise"],
    "types": ["mypy"],
    "layers": ["lint-imports", "--no-cache"],
    "templates": ["djade", "--target-version", "5.2", "--check", "templates/**/*.html"],
    # There is no database to ask which migrations ran; it says so by a warning.
    "migrations": ["python", "-W", "ignore", "manage.py", "makemigrations", "--check", "--dry-run"],
    "deployment": ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
    "vendored": ["python", "-m", "tools.vendor", "--check"],
}


def main() -> int:
    """Run every check, the later ones too if an early one fails; return an exit status."""
    os.chdir(CHECKOUT)
    environment = {**os.environ, **PRODUCTION}
    failed = []
    for name, (tool, *arguments) in CHECKS.items():
        began = time.monotonic()
        words = [word for given in arguments for word in expanded(given)]
        done = subprocess.run(
            [CHECKOUT / ".venv" / "bin" / tool, *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        verdict = "ok" if done.returncode == 0 else "FAILED"
        print(f"{name:<12} {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout, flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


def expanded(word: str) -> list[str]:
    """Return the files that a pattern names, or the word itself if it is none."""
    if "*" not in word:
        return [word]
    return sorted(str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob(word))


if __name__ == "__main__":
    sys.exit(main())
