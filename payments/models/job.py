"""What staff ask for: one action on one payment or on thousands, with what became of each."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.models.inbox import InboxMessage
from payments.models.payment import Payment
from payments.models.reconciliation import Break


class Job(models.Model):
    """One action that somebody asked for. Its items are rows, so that it goes on wherever it was cut off."""

    class State(models.TextChoices):
        DRAFT = "draft"  # previewed; nobody has said yes
        APPROVAL = "approval"  # a second person must say yes
        RUNNING = "running"
        STOPPED = "stopped"  # by somebody; what is left can go on
        DONE = "done"
        REJECTED = "rejected"  # the second person said no

    # Over: nothing of these goes on.
    FINAL: ClassVar = (State.DONE, State.REJECTED)

    action = models.TextField(help_text="what is done to each item: a name from payments.actions")
    arguments = models.JSONField(default=dict, help_text="of the action, the same for all items")
    reason = models.TextField(blank=True, default="", help_text="why, in the words of who asked; kept with each change")
    asked_by = models.TextField(help_text="who of the staff")
    state = models.TextField(choices=State.choices, default=State.DRAFT)
    rate = models.PositiveIntegerField(null=True, help_text="items per second at most; None: as fast as it goes")
    total = models.PositiveIntegerField(help_text="how many items")
    sums = models.JSONField(default=dict, help_text="{currency: minor units} of what the preview would act on")
    created_at = models.DateTimeField()
    approved_by = models.TextField(blank=True, default="", help_text="the second person, who said yes or no")
    approved_at = models.DateTimeField(null=True)
    stopped_by = models.TextField(blank=True, default="")
    stopped_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True, help_text="a worker has it until then")

    class Meta:
        permissions: ClassVar = [("approve_job", "Can approve what somebody else wants to do to many")]
        constraints = [
            models.CheckConstraint(
                name="job_state",
                condition=Q(state__in=["draft", "approval", "running", "stopped", "done", "rejected"]),
            ),
            # Nothing is done to money without a reason that is kept.
            models.CheckConstraint(name="job_says_why", condition=Q(state="draft") | ~Q(reason="")),
            # Four eyes: nobody approves what they asked for.
            models.CheckConstraint(
                name="job_second_person", condition=Q(approved_by="") | ~Q(approved_by=models.F("asked_by"))
            ),
            models.CheckConstraint(
                name="job_ended_or_not",
                condition=Q(state__in=["done", "rejected"], ended_at__isnull=False)
                | (~Q(state__in=["done", "rejected"]) & Q(ended_at__isnull=True)),
            ),
        ]
        indexes = [
            # The sweep: what goes on. Empty, nearly always.
            models.Index("id", name="job_running", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"{self.action} ({self.total})"


class JobItem(models.Model):
    """One thing that a job is about, and what became of it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        REFUSED = "refused"

    job = models.ForeignKey(Job, models.CASCADE, related_name="items")
    number = models.PositiveIntegerField(help_text="from 1, in the order in which they are done")
    # Without a constraint: its check would lock the payments of a preview, and `claim` passes over locked ones.
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="job_items", db_constraint=False)
    record = models.ForeignKey(InboxMessage, models.PROTECT, null=True, related_name="job_items")
    broken = models.ForeignKey(Break, models.PROTECT, null=True, related_name="job_items")
    # NULL: it moves no money, or was previewed by a version that kept no sum.
    takes = models.BigIntegerField(null=True, help_text="minor units that the preview counted for it")
    state = models.TextField(choices=State.choices, default=State.WAITING)
    text = models.TextField(blank=True, default="", help_text="for a person: what was done, or why not")
    at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("job", "number", name="job_item_number"),
            models.CheckConstraint(name="job_item_state", condition=Q(state__in=["waiting", "done", "refused"])),
            models.CheckConstraint(
                name="job_item_is_about_one_thing",
                condition=Q(payment__isnull=False, record__isnull=True, broken__isnull=True)
                | Q(payment__isnull=True, record__isnull=False, broken__isnull=True)
                | Q(payment__isnull=True, record__isnull=True, broken__isnull=False),
            ),
            models.CheckConstraint(
                name="job_item_ended_at",
                condition=Q(state="waiting", at__isnull=True) | (~Q(state="waiting") & Q(at__isnull=False)),
            ),
        ]
        indexes = [
            # What of a job is left, in order.
            models.Index("job", "number", name="job_item_waiting", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.state}"
