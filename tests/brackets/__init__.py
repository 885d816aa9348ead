"""Bracket trials: brackets at a broker that fails in every way, with a witness who sees its books.

    python -m tests.brackets --trials 1000 --seed 1

Each trial is one bracket, made up from its seed: how its legs come to the broker, which side, which
legs, how its entry fills; what of the requests is refused, lost, answered late or never; which
webhooks come late, twice or not at all; when the desk is cut off in the middle of what it does. The
desk's own code runs against a real PostgreSQL, by a clock that only the trial moves.
"""
