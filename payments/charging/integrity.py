"""Is this answer about this payment? One that isn't must never settle it."""

from dataclasses import asdict

from payments.answers import Intent
from payments.models import Payment


def find_mismatch(payment: Payment, intent: Intent) -> str:
    """What in Stripe's answer belongs to another payment; empty if nothing does."""
    told = asdict(intent)
    ours = {
        "id": payment.intent_id or intent.id,
        "amount": payment.amount,
        "currency": payment.currency,
        "payment": str(payment.id),
        "livemode": intent.livemode if payment.livemode is None else payment.livemode,
    }
    return ", ".join(f"{name} is {told[name]}, not {value}" for name, value in ours.items() if told[name] != value)
