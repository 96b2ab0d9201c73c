"""Links to Stripe's dashboard, test or live."""

from django.conf import settings

_FOLDERS = {
    "pi": "payments", "ch": "payments", "py": "payments", "re": "refunds", "pyr": "refunds", "du": "disputes",
    "dp": "disputes", "evt": "events", "req": "logs", "cus": "customers",
}  # fmt: skip


def dashboard(stripe_id: str | None, *, livemode: bool | None) -> str:
    """Where Stripe's dashboard shows an object, by its id; empty where it has no page.

    `livemode`: of the object; None: not known, so that of our key.
    """
    folder = _FOLDERS.get((stripe_id or "").partition("_")[0])
    if not folder:
        return ""
    live = "_live_" in settings.STRIPE_SECRET_KEY if livemode is None else livemode
    return f"https://dashboard.stripe.com/{'' if live else 'test/'}{folder}/{stripe_id}"
