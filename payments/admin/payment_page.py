"""The page of one payment: its story, for whoever has the customer on the phone.

Must never happen: that it says something else than `manage.py explain`; both are made of `payments.explain`. Whoever
opens it is in the staff log, and personal data is masked for those who may not see it.
"""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from payments import explain, staff_log
from payments.admin import personal
from payments.explain import Fact, Story
from payments.look_up import look_up
from payments.models import Payment

TEMPLATE = "admin/payments/payment/story.html"

# For engineers, as it stands in the row; nothing of the customer is in these.
_ROW = (
    "id", "number", "status", "fault", "kind", "code", "attention", "asked_by", "payment_method",
    "next_payment_method", "intent_id", "intent_customer", "account_id", "livemode", "price", "amount", "currency",
    "refunded", "disputed_at", "retry_at", "due_at", "lease_until", "deliveries", "looks", "traceparent", "created_at",
    "accepted_at", "settled_at", "closed_at",
)  # fmt: skip


def show(*, request: HttpRequest, page: ModelAdmin, object_id: str) -> HttpResponse | None:
    """The page; None: there is no such payment. Where only Stripe knows what has become of it, it is asked first."""
    now = datetime.now(UTC)
    if not page.has_view_permission(request):
        raise PermissionDenied
    try:
        payment_id = uuid.UUID(object_id)
    except ValueError:
        return None
    look_up(payment_id=payment_id, now=now)
    payment = Payment.objects.filter(id=payment_id).first()
    if payment is None:
        return None
    staff_log.note(who=f"staff: {request.user.get_username()}", what="opened", payment=payment.id, now=now)
    story = _for(request, explain.explain(payment_id=payment.id, now=datetime.now(UTC)))
    return TemplateResponse(request, TEMPLATE, _context(request, page, payment, story))


def _context(request: HttpRequest, page: ModelAdmin, payment: Payment, story: Story) -> dict[str, Any]:
    taken, more = explain.money_was_taken(story.conclusion)
    return {
        **page.admin_site.each_context(request),
        "title": _("Payment %(id)s") % {"id": payment.id},
        "subtitle": None,
        "opts": Payment._meta,
        "original": payment,
        "payment": payment,
        "story": story,
        "taken": taken,
        "more_on_money": more,
        "is_paid": payment.status == Payment.Status.SUCCESS,
        "row": [(name, getattr(payment, name)) for name in _ROW],
    }


def _for(request: HttpRequest, story: Story) -> Story:
    """The story as this person may read it."""
    if personal.may_see(request):
        return story
    return replace(story, facts=tuple(_masked(fact) for fact in story.facts))


def _masked(fact: Fact) -> Fact:
    return replace(fact, value=personal.mask(fact.value)) if fact.personal else fact
