from django.db import models
from django.db.models import Q


class Timeline(models.Model):
    """Which PostgreSQL this desk last ran on: one row. Another one may have forgotten orders."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    system = models.CharField(max_length=32)  # the cluster's own identifier
    number = models.BigIntegerField()  # grows when a standby is promoted or a backup restored
    noted_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="timeline_one_row")]

    def __str__(self) -> str:
        return f"{self.system}/{self.number}"
