"""Drives orders through the desk while the paper exchange loses its answers, then compares books.

Places a seeded mix of orders through the desk's API, repeats some requests as a client does that
got no answer, replaces and cancels others. Meanwhile the exchange loses answers in six ways, loses
and repeats webhooks, and takes every order it is sent, even twice under one id: only the desk keeps
it from trading double. When all is quiet, the exchange's own ledger must agree with the desk, order
for order and fill for fill. Exits with 1 if it does not.

  ./desk up                  in one terminal
  python3 -m tools.drive     in another; --key and --secret, or it asks ./desk for a key

Needs Python and nothing else. Everything it places has an id that begins with "drive-".
"""
