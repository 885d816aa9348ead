"""The API keeps the promises of its own description, whatever it is sent."""

from __future__ import annotations

import pytest
import schemathesis
from django.conf import settings as desk
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounds
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orders.api import urls
from orders.api.documenting import document
from orders.models import Order
from tests.api.conftest import Program
from tests.factories import OrderFactory

PROMISES = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 10  # for each operation and each kind of data
SCHEMA = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]


def test_the_copy_in_docs_is_current():
    assert (desk.BASE_DIR / "docs" / "openapi.json").read_text() == document(), (
        "Run: ./desk manage openapi"
    )


def test_every_address_is_described():
    described = {operation.path for operation in OPERATIONS}

    named = {pattern.name for pattern in urls.urlpatterns} - {"unknown"}
    assert len(described) == len(named)


@pytest.fixture(autouse=True)
def _keep_the_connection():
    """Let requests end without hanging up on the test's own transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_answers_as_described(operation, mode, program: Program):
    order = OrderFactory(account=program.account, part_filled=True)
    ours = {
        "account_id": str(program.account.id),
        "order_id": str(order.id),
        "symbol": order.symbol,
    }

    @seed(20260302)
    @bounds(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        spoilt = {place for place, part in case.meta.components.items() if part.mode.is_negative}
        if ParameterLocation.PATH not in spoilt:  # or nothing but 404 would ever come
            case.path_parameters = {name: ours[name] for name in case.path_parameters}
        answer = case.call(headers=program.headers)
        case.validate_response(answer, checks=PROMISES, headers=program.headers)

    ask()
    assert Order.objects.filter(account=program.account).count() >= 1
