"""Plugs the desk together: settings, addresses, entry points. Holds no logic of its own."""
