"""The desk in Alpaca's own words: what its SDKs say and understand, over the same orders.

Nothing is decided here. Each address reads a request as Alpaca's clients write it, makes the one
call that the native API makes, and shows what came of it as Alpaca shows it.
"""
