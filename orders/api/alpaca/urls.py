"""Alpaca's addresses: no trailing slashes, no redirects.

A base URL that ends in a slash makes two of them on the wire, which is no reason to fail.
"""

from django.urls import include, path, re_path

from orders.api.alpaca import ordering
from orders.api.alpaca.view import Unknown

app_name = "alpaca"
v2 = [
    path("orders", ordering.Orders.as_view()),
    path("orders:by_client_order_id", ordering.ByClientOrderId.as_view()),
    path("orders/<str:order_id>", ordering.OrderDetail.as_view()),
]
urlpatterns = [
    re_path(r"^/*v2/", include(v2)),
    re_path(r"", Unknown.as_view()),
]
