"""The Gateway's addresses: no trailing slashes, no redirects.

A base URL that ends in a slash makes two of them on the wire, which is no reason to fail. A symbol
may hold a slash, written as it is or as %2F.
"""

from django.urls import include, path, re_path

from orders.api.gateway import accounting, holding, ordering, quoting
from orders.api.gateway.view import Unknown

app_name = "gateway"
v1 = [
    path("account", accounting.AccountShown.as_view()),
    path("bars/<path:symbol>", quoting.Bars.as_view()),
    path("capabilities", accounting.Capabilities.as_view()),
    path("circuit-breakers", accounting.Breakers.as_view()),
    path("circuit-breakers/reset", accounting.BreakersReset.as_view()),
    path("orders", ordering.Orders.as_view()),
    path("orders/history", ordering.History.as_view()),
    path("orders/<path:order_id>", ordering.OrderDetail.as_view()),
    path("positions", holding.Positions.as_view()),
    path("positions/<path:position_id>", holding.PositionDetail.as_view()),
    path("quotes/<path:symbol>", quoting.QuoteShown.as_view()),
    path("status", accounting.Status.as_view()),
    path("trades", accounting.Trades.as_view()),
]
urlpatterns = [
    re_path(r"^/*v1/", include(v1)),
    re_path(r"", Unknown.as_view()),
]
