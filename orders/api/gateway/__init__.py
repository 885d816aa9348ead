"""The desk in the Trading Gateway's words: what its SDK says and understands, over the same orders.

Nothing is decided here. Each address reads a request as the Gateway's clients write it, makes the
one call that the native API makes, and shows what came of it as the Gateway shows it.
"""
