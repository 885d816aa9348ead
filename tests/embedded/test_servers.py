"""Every test run has a PostgreSQL and a Valkey of its own."""

import os

import pytest
import redis
from django.db import connection


@pytest.mark.django_db
def test_there_is_a_postgresql_with_a_database_for_tests():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")

        assert cursor.fetchone()[0].startswith("test_")


def test_there_is_a_valkey():
    client = redis.Redis.from_url(os.environ["REDIS_URL"])

    assert client.ping()
    client.close()
