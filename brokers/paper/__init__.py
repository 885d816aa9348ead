"""The paper exchange: an exchange in a process of its own, and the adapter that speaks to it.

The desk uses `adapter` and nothing else here. Everything else is the
exchange: it shares no tables with the desk, keeps its own ledger, and says no
more to the desk than any broker would.
"""
