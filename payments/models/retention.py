"""What is not here any more, on purpose: what was pruned, and whose personal data were erased."""

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q

if TYPE_CHECKING:
    _TextField = models.Field[str, str]
else:
    _TextField = models.Field


class OffsetSpans(_TextField):
    """Offsets of one partition, as PostgreSQL's int8multirange: neighbours become one span by themselves."""

    def db_type(self, connection: object) -> str:
        """Of the column."""
        return "int8multirange"


class Pruned(models.Model):
    """Of one kind of rows: up to when those that nobody needs are removed. Younger ones are all here."""

    what = models.TextField(unique=True, help_text="inbox, outbox, webhooks, jobs or personal")
    before = models.DateTimeField(help_text="older rows may be gone; never goes back")
    rows = models.BigIntegerField(default=0, help_text="how many were removed, or emptied, in all")
    pruned_at = models.DateTimeField(null=True, help_text="when it was last run to its end")

    class Meta:
        # Nobody looks at it but the doctor and the audit.
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return self.what


class Erasure(models.Model):
    """One user's personal data were erased, by whom and why. A trigger keeps these rows as they are.

    The history of a payment may be blanked in the very transaction that writes one, and in no other.
    """

    user_id = models.TextField(help_text="canonical text; it stays in the ledger")
    who = models.TextField()
    why = models.TextField()
    at = models.DateTimeField()
    transaction = models.BigIntegerField(
        db_default=models.Func(function="payments_this_transaction", output_field=models.BigIntegerField()),
        help_text="PostgreSQL's number of the transaction that wrote it",
    )

    class Meta:
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.CheckConstraint(name="erasure_says_who_and_why", condition=~Q(who="") & ~Q(why="")),
        ]
        indexes: ClassVar = [
            # Whose were erased; and the look of the history's trigger.
            models.Index("user_id", name="erasure_by_user"),
            models.Index(F("transaction").desc(), name="erasure_by_transaction"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.at:%Y-%m-%d}"
