"""Plugs the desk together: settings, addresses, entry points. Holds no logic."""

from config.celery import app as celery_app  # whoever rings a doorbell rings this app's

__all__ = ["celery_app"]
