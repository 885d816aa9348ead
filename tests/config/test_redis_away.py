"""Redis is the doorbell: when it is away, whoever rings finds out at once."""

import socket
import time

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from config.celery import app


@pytest.fixture(params=["refuses", "says nothing"])
def dead_redis(request):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if request.param == "refuses":
            silent.close()
        yield f"redis://127.0.0.1:{port}/0"


def test_publishing_a_task_fails_within_a_moment(dead_redis):
    publisher = Celery("publisher", broker=dead_redis)
    publisher.conf.update(
        task_publish_retry=app.conf.task_publish_retry,
        broker_transport_options=app.conf.broker_transport_options,
    )
    began = time.monotonic()

    with pytest.raises(OperationalError):
        publisher.send_task("orders.tasks.send", ["id"])

    assert time.monotonic() - began < 2
    publisher.close()
