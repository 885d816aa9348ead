"""Alpaca's addresses: no trailing slashes, no redirects.

A base URL that ends in a slash makes two of them on the wire, which is no reason to fail. A symbol
may hold a slash, which most clients leave as it is.
"""

from django.urls import include, path, re_path

from orders.api.alpaca import (
    accounting,
    holding,
    listing,
    ordering,
    reckoning,
    recounting,
    scheduling,
)
from orders.api.alpaca.streaming import sending
from orders.api.alpaca.view import Unknown

app_name = "alpaca"
v2 = [
    path("account", accounting.AccountShown.as_view()),
    path("account/configurations", accounting.Configurations.as_view()),
    path("account/activities", recounting.Activities.as_view()),
    path("account/activities/<str:activity_type>", recounting.Activities.as_view()),
    path("account/portfolio/history", reckoning.History.as_view()),
    path("assets", listing.Assets.as_view()),
    path("assets/<path:symbol>", listing.AssetDetail.as_view()),
    path("calendar", scheduling.Calendar.as_view()),
    path("clock", scheduling.Clock.as_view()),
    path("events/trades", sending.Events.as_view()),
    path("orders", ordering.Orders.as_view()),
    path("orders:by_client_order_id", ordering.ByClientOrderId.as_view()),
    path("orders/<str:order_id>", ordering.OrderDetail.as_view()),
    path("positions", holding.Positions.as_view()),
    path("positions/<path:symbol>", holding.PositionDetail.as_view()),
]
urlpatterns = [
    re_path(r"^/*v2/", include(v2)),
    re_path(r"", Unknown.as_view()),
]
