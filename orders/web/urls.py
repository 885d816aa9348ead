"""Where the pages are."""

from django.urls import path

from orders.web import acting, desk, incidents, lab, market, reading, signing_in, ticketing

urlpatterns = [
    path("sign-in/", signing_in.sign_in, name="sign-in"),
    path("sign-in/once/<str:token>", signing_in.once, name="sign-in-once"),
    path("sign-out/", signing_in.sign_out, name="sign-out"),
    path("", desk.desk, name="desk"),
    path("desk/side", desk.side, name="desk-side"),
    path("desk/figures", desk.figures, name="desk-figures"),
    path("desk/strip", desk.strip, name="desk-strip"),
    path("orders/", reading.blotter, name="orders"),
    path("orders/chips", reading.chips, name="chips"),
    path("orders/new/", ticketing.blank, name="ticket"),
    path("orders/preview/", ticketing.preview, name="preview"),
    path("orders/place/", ticketing.place, name="place"),
    path("orders/<uuid:order_id>/", reading.order, name="order"),
    path("orders/<uuid:order_id>/row", acting.row, name="order-row"),
    path("orders/<uuid:order_id>/cancel", acting.cancel, name="cancel"),
    path("orders/<uuid:order_id>/check", acting.check, name="check"),
    path("orders/<uuid:order_id>/replace", acting.replace, name="replace"),
    path("orders/<uuid:order_id>/replace/confirm", acting.confirm_replace, name="confirm-replace"),
    path("doubt/", reading.doubt, name="doubt"),
    path("doubt/count", reading.doubt_count, name="doubt-count"),
    path("incidents/", incidents.incidents, name="incidents"),
    path("incidents/count", incidents.count, name="incident-count"),
    path("incidents/<int:incident_id>/acknowledge", incidents.acknowledge, name="acknowledge"),
    path("incidents/<int:incident_id>/take", incidents.take, name="take"),
    path("incidents/<int:incident_id>/close", incidents.close, name="close-incident"),
    path("executions/", reading.executions, name="executions"),
    path("positions/", reading.positions, name="positions"),
    path("market/symbols", market.symbols, name="symbols"),
    path("market/<path:symbol>/bars", market.bars, name="bars"),
    path("lab/", lab.lab, name="lab"),
    path("lab/<uuid:account_id>/", lab.lab_account, name="lab-account"),
    path("lab/<uuid:account_id>/tape", lab.tape, name="lab-tape"),
    path("lab/<uuid:account_id>/dial", lab.dial, name="lab-dial"),
    path("lab/<uuid:account_id>/calm", lab.calm, name="lab-calm"),
    path("lab/<uuid:account_id>/move", lab.move, name="lab-move"),
    path("lab/<uuid:account_id>/scenario/<str:name>", lab.scenario, name="lab-scenario"),
]
