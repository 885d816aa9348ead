"""One line of log for one thing that happened: JSON in production, plain elsewhere.

What `structlog.contextvars.bind_contextvars` binds (request_id, order_id, task_id) is on every line
written until it is unbound, our libraries' lines included.
"""

import logging
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict


def without_colours(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Drop the second wording that uvicorn sends along, for terminals."""
    event.pop("color_message", None)
    return event


def without_addresses(record: logging.LogRecord) -> bool:
    """Have Django name the route that failed: an address may hold a token."""
    request = record.__dict__.pop("request", None)
    if request is not None and isinstance(record.args, tuple) and len(record.args) == 2:
        match = getattr(request, "resolver_match", None)
        record.args = (record.args[0], match.route if match else "no route")
    return True


SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configuration(*, as_json: bool, level: str) -> dict[str, Any]:
    """Set structlog up and return the LOGGING setting that goes with it."""
    structlog.configure(
        processors=[
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Without locals, which structlog shows unless told: they hold credentials.
    traceback = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    plain = structlog.dev.plain_traceback
    renderers: list[structlog.typing.Processor] = (
        [traceback, structlog.processors.JSONRenderer(default=str)]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=plain)
        ]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*SHARED, structlog.stdlib.ExtraAdder(), without_colours],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderers,
                ],
            }
        },
        "filters": {"addresses": {"()": lambda: without_addresses}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # Below an error our own line says it all.
            "django.request": {"level": "ERROR", "filters": ["addresses"]},
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.error": {"handlers": [], "propagate": True},
            "celery.beat": {"level": "WARNING"},  # the sweep comes every second: these say so
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            # Addresses hold what is nobody else's: a way to sign in, a webhook's token.
            "uvicorn.access": {"handlers": [], "level": "WARNING"},
            "httpx": {"level": "WARNING"},  # likewise
        },
    }
