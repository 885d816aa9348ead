"""What the desk is told, in whatever spelling, and what it refuses to run on."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment
from embedded.checks import PRODUCTION
from embedded.lineup import CHECKOUT


class TestDatabase:
    def test_reads_a_socket_with_a_slash_in_its_host(self):
        settings = environment.database("postgresql://desk:secret@/desk?host=%2Fsome%20where%2Frun")

        assert settings["HOST"] == "/some where/run"
        assert (settings["USER"], settings["PASSWORD"], settings["NAME"]) == (
            "desk",
            "secret",
            "desk",
        )

    def test_passes_on_what_libpq_knows_and_django_does_not(self):
        settings = environment.database("postgresql://db.example:6432/desk?sslmode=verify-full")

        assert (settings["HOST"], settings["PORT"]) == ("db.example", "6432")
        assert settings["OPTIONS"] == {"sslmode": "verify-full"}

    def test_refuses_what_libpq_cannot_read(self):
        with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot be read"):
            environment.database("postgresql://%zz")


class TestRedis:
    @pytest.mark.parametrize(
        "spelling",
        ["unix:///run/valkey.sock?db=2", "redis+socket:///run/valkey.sock?virtual_host=2"],
    )
    def test_a_socket_is_spelled_for_each_library(self, spelling):
        redis = environment.redis(spelling)

        assert redis.client == "unix:///run/valkey.sock?db=2"
        assert redis.celery == "redis+socket:///run/valkey.sock?virtual_host=2"

    def test_a_network_address_is_the_same_for_all(self):
        redis = environment.redis("rediss://:secret@redis.example:6380/1")

        assert redis.client == redis.celery == "rediss://:secret@redis.example:6380/1"

    def test_anything_else_is_refused(self):
        with pytest.raises(ImproperlyConfigured, match="REDIS_URL must begin with"):
            environment.redis("memcached://x")


class TestProduction:
    def starts(self, **changes: str) -> subprocess.CompletedProcess[str]:
        told = {**PRODUCTION, **changes}
        return subprocess.run(
            [sys.executable, "-c", "import config.settings"],
            cwd=CHECKOUT,
            env={
                "PATH": os.environ["PATH"],
                **{name: value for name, value in told.items() if value},
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def test_starts_on_what_it_needs(self):
        assert self.starts().returncode == 0

    @pytest.mark.parametrize(
        "name", ["DESK_SECRET_KEY", "DESK_CREDENTIAL_KEYS", "DATABASE_URL", "REDIS_URL", "DESK_URL"]
    )
    def test_refuses_to_start_without(self, name):
        refused = self.starts(**{name: ""})

        assert f"ImproperlyConfigured: {name} is not set." in refused.stderr

    def test_refuses_to_be_reached_in_the_clear(self):
        refused = self.starts(DESK_URL="http://desk.example")

        assert "DESK_URL must begin with https://" in refused.stderr

    def test_is_what_a_desk_is_unless_it_is_told_otherwise(self):
        refused = self.starts(DESK_ENVIRONMENT="", DESK_URL="http://desk.example")

        assert "in production" in refused.stderr
