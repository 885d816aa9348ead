"""Alpaca's SDK for Python, imported once, without the one warning that it is not ours to heed.

It reads its stream with a part of `websockets` that is deprecated, and that says so on import.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "websockets.legacy is deprecated", DeprecationWarning)
    import alpaca.trading  # noqa: F401
