"""What staff do and look at: added to, and never rewritten."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from payments.models.payment import Payment


class StaffEntry(models.Model):
    """One thing that somebody of the staff did or looked at. Rows are only ever added; a trigger holds that."""

    class What(models.TextChoices):
        OPENED = "opened", _("opened a page with personal data")
        SEARCHED = "searched", _("searched")
        EXPORTED = "exported", _("exported a list")
        ACTED = "acted", _("acted")
        APPROVED = "approved", _("approved what somebody else asked for")
        REJECTED = "rejected", _("rejected what somebody else asked for")
        LOGGED_IN = "logged_in", _("logged in")
        LOCKED_OUT = "locked_out", _("was locked out after failed logins")

    at = models.DateTimeField()
    who = models.TextField(help_text="'staff: ' and the name that they log in with")
    what = models.TextField(choices=What.choices)
    # Without a constraint: its check would lock the payment, and `claim` passes over locked ones.
    payment = models.ForeignKey(
        Payment, models.PROTECT, null=True, related_name="staff_entries", db_constraint=False, db_index=False
    )
    details = models.JSONField(default=dict, help_text="ids, names of pages and actions, counts; no personal data")

    class Meta:
        # It grows by itself, and is read by those who lead.
        default_permissions = ("view",)
        verbose_name = _("staff log entry")
        verbose_name_plural = _("staff log")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="staff_entry_what",
                condition=Q(
                    what__in=[
                        "opened",
                        "searched",
                        "exported",
                        "acted",
                        "approved",
                        "rejected",
                        "logged_in",
                        "locked_out",
                    ]
                ),
            ),
            models.CheckConstraint(name="staff_entry_says_who", condition=~Q(who="")),
        ]
        indexes: ClassVar = [
            # Who of the staff had to do with one payment.
            models.Index("payment", "id", name="staff_entry_by_payment", condition=Q(payment__isnull=False)),
            # What one of the staff did, and when.
            models.Index("who", "at", name="staff_entry_by_who"),
            models.Index("at", name="staff_entry_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.what}"
