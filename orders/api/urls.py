"""The native API's addresses: no trailing slashes, no redirects."""

from django.urls import path, re_path

from orders.api import views

app_name = "api"
urlpatterns = [
    path("accounts", views.Accounts.as_view(), name="accounts"),
    path("accounts/<uuid:account_id>", views.AccountDetail.as_view(), name="account"),
    path("accounts/<uuid:account_id>/orders", views.Orders.as_view(), name="orders"),
    path(
        "accounts/<uuid:account_id>/orders/<uuid:order_id>",
        views.OrderDetail.as_view(),
        name="order",
    ),
    path(
        "accounts/<uuid:account_id>/orders/<uuid:order_id>/events",
        views.OrderEvents.as_view(),
        name="events",
    ),
    path("accounts/<uuid:account_id>/executions", views.Executions.as_view(), name="executions"),
    path("accounts/<uuid:account_id>/positions", views.Positions.as_view(), name="positions"),
    re_path(r"", views.Unknown.as_view(), name="unknown"),
]
