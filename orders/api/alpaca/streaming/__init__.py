"""Tells what happens to an account's orders as Alpaca does: by websocket, and as events over HTTP.

Nothing is kept for it. Every event is read off the account's audit chain, which has a row for each
change of an order, in the order of their commits and without gaps: so it can be told again, word
for word, from wherever a client left off.
"""
