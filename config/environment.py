"""Reads what the desk is told by environment variables, and refuses what it cannot run on."""

import os
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def required(name: str) -> str:
    """Return a variable that has no default. Raises ImproperlyConfigured if it is not set."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. `./desk up` sets it, and `./desk manage` runs a command with it; "
            "without the launcher, set it yourself."
        )
    return value


def listed(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list, blanks left out."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for any address that libpq takes, sockets and options included."""
    try:
        parts = dict(conninfo_to_dict(url))
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from error
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }


class RedisSpellings(NamedTuple):
    """One Redis, as each library wants to read it."""

    client: str  # redis-py
    celery: str  # kombu, which has words of its own for a Unix socket


def redis(url: str) -> RedisSpellings:
    """Translate REDIS_URL, in whichever spelling it came, into both."""
    parts = urlsplit(url)
    match parts.scheme:
        case "redis" | "rediss":
            return RedisSpellings(client=url, celery=url)
        case "unix" | "redis+socket":
            asked = parse_qs(parts.query)
            number = (asked.get("db") or asked.get("virtual_host") or ["0"])[0]
            return RedisSpellings(
                client=f"unix://{parts.path}?db={number}",
                celery=f"redis+socket://{parts.path}?virtual_host={number}",
            )
        case _:
            raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")
