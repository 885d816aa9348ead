"""What every fact carries: where it was heard, and what it rests on."""

from django.db import models


class Heard(models.TextChoices):
    """How a fact reached us."""

    ANSWER = "answer", "Answer"  # the broker's answer to a request of ours
    WEBHOOK = "webhook", "Webhook"
    STREAM = "stream", "Stream"  # over a connection that we keep open to the broker
    POLL = "poll", "Poll"  # we asked
    PERSON = "person", "Person"
