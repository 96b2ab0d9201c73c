"""What the templates of the support desk ask for."""

from datetime import UTC, datetime
from typing import Any

from django import template

from payments import money
from payments.actions import Subject, find_offers
from payments.models import Payment

register = template.Library()


@register.inclusion_tag("admin/payments/action_box.html", takes_context=True)
def action_box(context: dict[str, Any], subject: Subject) -> dict[str, Any]:
    """Buttons for all that this person may do to this; what can't be done now is shown with the reason."""
    request = context["request"]
    offers = find_offers(person=request.user, subject=subject, now=datetime.now(UTC))
    return {"offers": offers, "subject": subject, "request": request, "csrf_token": context["csrf_token"]}


@register.filter
def amount(payment: Payment) -> str:
    """What a payment is about, in the currency's own form."""
    return money.for_people(payment.amount, currency=payment.currency)
