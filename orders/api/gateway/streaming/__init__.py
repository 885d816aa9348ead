"""Tells what happens in an account as the Gateway does, over a websocket.

What happens to orders is read off the account's record, as every other stream is. Beside it a
watch looks at what has no record of its own: prices, how the broker is heard, and which positions
lack their protection.
"""
