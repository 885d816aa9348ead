"""Alpaca: its words, and an account there, on paper or live."""
