"""The Celery entry point: `celery --app config worker`, `celery --app config beat`."""

import os
from pathlib import Path

from celery import Celery
from celery.signals import (
    beat_init,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_ready,
    worker_shutdown,
)
from structlog.contextvars import bind_contextvars, clear_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("desk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "sweep": {"task": "orders.tasks.sweep", "schedule": 1.0, "options": {"expires": 5}},
    "watch": {"task": "orders.tasks.watch", "schedule": 5.0, "options": {"expires": 5}},
    "understand": {"task": "webhooks.tasks.understand", "schedule": 2.0, "options": {"expires": 5}},
    "notify": {"task": "webhooks.tasks.notify", "schedule": 1.0, "options": {"expires": 5}},
    "streams": {"task": "webhooks.tasks.call_bridge", "schedule": 2.0, "options": {"expires": 5}},
    "close days": {"task": "orders.tasks.close_days", "schedule": 60.0, "options": {"expires": 50}},
    "tidy": {"task": "webhooks.tasks.tidy", "schedule": 60.0, "options": {"expires": 50}},
}


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Leave logging as the settings have it: Celery sets up its own if nobody does."""


@task_prerun.connect
def name_the_task(task_id: str, **_: object) -> None:
    """Put the task's id on every line of log that it causes."""
    clear_contextvars()  # a worker's threads are used again
    bind_contextvars(task_id=task_id)


@task_postrun.connect
def forget_the_task(**_: object) -> None:
    clear_contextvars()


@worker_ready.connect
@beat_init.connect
@worker_shutdown.connect
def watch_the_database(**_: object) -> None:
    """Look whether the database is the one we left when a process begins, and anchor it last."""
    from django.db import connections  # noqa: PLC0415 — nor is there a database

    from orders import guarding  # noqa: PLC0415 — there are no models before Django is set up

    guarding.watch_by_the_way()
    connections.close_all()


@worker_ready.connect
@beat_init.connect
def say_ready(**_: object) -> None:
    """Tell the supervisor, which names a file for the purpose, that we are at work."""
    if path := os.environ.get("DESK_READY_FILE"):
        Path(path).touch()
