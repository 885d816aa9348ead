"""The desk: accounts, orders and executions, what may be done with them, and everyone who asks."""
