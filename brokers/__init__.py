"""Brokers: their words, their promises, and one adapter each.

Plain Python: no Django, no database, no decisions.
"""
