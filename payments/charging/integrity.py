"""Is this answer about this payment? One that isn't must never settle it."""

from payments.answers import Intent
from payments.models import Payment


def find_mismatch(payment: Payment, intent: Intent) -> str:
    """What in Stripe's answer belongs to another payment; empty if nothing does."""
    ours = {
        "id": payment.intent_id or intent.id,
        "amount": payment.amount,
        "currency": payment.currency,
        "payment": str(payment.id),
        "livemode": intent.livemode if payment.livemode is None else payment.livemode,
    }
    told = {name: getattr(intent, name) for name in ours}
    return ", ".join(f"{name} is {told[name]}, not {value}" for name, value in ours.items() if told[name] != value)
