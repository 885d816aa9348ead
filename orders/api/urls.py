"""The native API's addresses: no trailing slashes, no redirects."""

from django.urls import path, re_path

from orders.api import accounting, holding, ordering
from orders.api.view import Unknown

app_name = "api"
urlpatterns = [
    path("accounts", accounting.Accounts.as_view(), name="accounts"),
    path("accounts/<uuid:account_id>", accounting.AccountDetail.as_view(), name="account"),
    path("accounts/<uuid:account_id>/orders", ordering.Orders.as_view(), name="orders"),
    path(
        "accounts/<uuid:account_id>/orders/<uuid:order_id>",
        ordering.OrderDetail.as_view(),
        name="order",
    ),
    path(
        "accounts/<uuid:account_id>/orders/<uuid:order_id>/events",
        ordering.OrderEvents.as_view(),
        name="events",
    ),
    path(
        "accounts/<uuid:account_id>/executions", accounting.Executions.as_view(), name="executions"
    ),
    path("accounts/<uuid:account_id>/positions", holding.Positions.as_view(), name="positions"),
    path(
        # A symbol may hold a slash.
        "accounts/<uuid:account_id>/positions/<path:symbol>",
        holding.PositionDetail.as_view(),
        name="position",
    ),
    path(
        "accounts/<uuid:account_id>/capabilities",
        accounting.Capabilities.as_view(),
        name="capabilities",
    ),
    path("accounts/<uuid:account_id>/incidents", accounting.Incidents.as_view(), name="incidents"),
    re_path(r"", Unknown.as_view(), name="unknown"),
]
