"""Which processes run, and where: they live on other hosts, and the database is what all of them see."""

from django.db import models


class Heartbeat(models.Model):
    """One process of ours, with the last time that it showed itself. Written every few seconds, kept for a day."""

    process = models.TextField(help_text="bridge, relay, worker, beat or web")
    host = models.TextField()
    pid = models.IntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(help_text="when its loop last went round")
    facts = models.JSONField(default=dict, help_text="what it tells of itself: what it waits for, what it refused")

    class Meta:
        constraints = [
            # The only index but the key: a row is written again and again, and its place on the page stays.
            models.UniqueConstraint("process", "host", "pid", name="heartbeat_one_per_process"),
        ]

    def __str__(self) -> str:
        return f"{self.process} {self.host}/{self.pid}"
