"""What goes back to customers: refunds, and what their banks dispute, in words."""

from django.contrib import admin
from django.db.models import F
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from payments import explain, money, words
from payments.admin.read_only import ReadOnly
from payments.admin.times import column
from payments.models import Dispute, Refund

_REFUND_LABELS = {
    "succeeded": "success", "failed": "danger", "rejected": "danger", "canceled": "warning", "sending": "info",
    "unknown": "warning", "pending": "info",
}  # fmt: skip


def _stripe(stripe_id: str | None, *, livemode: bool | None) -> str:
    """A link to Stripe's dashboard, where it has a page."""
    link = explain.dashboard(stripe_id, livemode=livemode)
    if not link:
        return stripe_id or "–"
    return format_html(
        "<a href='{}' target='_blank' rel='noopener noreferrer' class='text-primary-700 underline "
        "dark:text-primary-400'>{}</a>",
        link,
        stripe_id,
    )


@admin.register(Refund)
class RefundAdmin(ReadOnly, ModelAdmin):
    """What goes back to customers, newest first; what needs a look says why."""

    list_display = ("payment", "amount_for_people", "state", "asked_by", "reason", "attention", "created_at")
    list_filter = ("state", ("attention", admin.EmptyFieldListFilter))
    search_fields = ("=refund_id", "=payment__intent_id", "=payment__subscription__id")
    search_help_text = "Refund, PaymentIntent or subscription, re_… or pi_… – whole, not a part"
    ordering = ("-created_at",)
    list_select_related = ("payment",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("in_words", "amount_for_people", "payment", "who", "reason", "attention")}),
        (_("Stripe"), {"fields": ("at_stripe", "code", "request_id", "id")}),
        (
            _("Times"),
            {
                "fields": (
                    column("created_at", _("asked for")),
                    column("ended_at", _("ended")),
                    column("due_at", _("Stripe is asked again")),
                )
            },
        ),
    )

    @display(description=_("amount"), ordering="amount")
    def amount_for_people(self, refund: Refund) -> str:
        """In the currency's own form."""
        return money.for_people(refund.amount, currency=refund.payment.currency)

    @display(description=_("how it stands"), label=_REFUND_LABELS)
    def in_words(self, refund: Refund) -> tuple[str, str]:
        """Coloured."""
        return refund.state, words.word(words.REFUNDS, refund.state)

    @display(description=_("asked for by"))
    def who(self, refund: Refund) -> str:
        """By name, or Stripe."""
        return words.person(refund.asked_by)

    @display(description=_("at Stripe"))
    def at_stripe(self, refund: Refund) -> str:
        """In its dashboard."""
        return _stripe(refund.refund_id, livemode=refund.payment.livemode)


@admin.register(Dispute)
class DisputeAdmin(ReadOnly, ModelAdmin):
    """What customers' banks dispute: open ones first, by the time until which evidence is taken."""

    list_display = ("dispute_id", "payment", "amount_for_people", "reason", "status", "deadline", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "status")
    search_fields = ("=dispute_id", "=charge_id", "=payment__intent_id", "=payment__subscription__id")
    search_help_text = "Dispute, charge, PaymentIntent or subscription – whole, not a part"
    ordering = (F("ended_at").desc(nulls_first=True), F("respond_by").asc(nulls_last=True))
    list_select_related = ("payment",)
    show_full_result_count = False
    fieldsets = (
        (
            None,
            {"fields": ("in_words", "deadline", "to_do", "why", "amount_for_people", "payment", "at_stripe")},
        ),
        (_("Stripe's own words"), {"fields": ("status", "reason", "charge_id")}),
        (
            _("Times"),
            {
                "fields": (
                    column("opened_at", _("opened")),
                    column("respond_by", _("answer until")),
                    column("seen_at", _("Stripe said so")),
                    column("ended_at", _("ended")),
                )
            },
        ),
    )

    @display(description=_("amount"), ordering="amount")
    def amount_for_people(self, dispute: Dispute) -> str:
        """In the currency's own form."""
        return money.for_people(dispute.amount, currency=dispute.currency)

    @display(description=_("how it stands"))
    def in_words(self, dispute: Dispute) -> str:
        """Instead of Stripe's word."""
        return words.word(words.DISPUTE_STATUSES, dispute.status)

    @display(description=_("why"))
    def why(self, dispute: Dispute) -> str:
        """What the customer told their bank."""
        return words.word(words.DISPUTE_REASONS, dispute.reason)

    @display(description=_("what to do"))
    def to_do(self, dispute: Dispute) -> str:
        """The next step."""
        return words.dispute_next_step(dispute.status)

    @display(description=_("deadline"), ordering="respond_by")
    def deadline(self, dispute: Dispute) -> str:
        """Until when to answer, and how long that is from now."""
        return explain.deadline_of(dispute, now=timezone.now()) or "–"

    @display(description=_("at Stripe"))
    def at_stripe(self, dispute: Dispute) -> str:
        """In its dashboard."""
        return _stripe(dispute.dispute_id, livemode=dispute.payment.livemode)
