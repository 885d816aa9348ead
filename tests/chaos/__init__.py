"""Breaks a whole desk on purpose, then holds what it says against what truly happened.

`just chaos`, or `python -m tests.chaos --help`. Real processes, real sockets, real deaths: a
seeded plan of orders and faults is driven through a desk whose processes are killed at every
window of a submission, while a sampler reads what a person would have read. Then the paper
exchange's own ledger, which no fault touches, is the judge.
"""
