"""PostgreSQL, Valkey and the desk's own programs, run from one checkout.

Nothing here imports Django or the desk: it must start before either, and stay small while they run.
"""
