"""Texts that the domain says and keeps in English, and that pages show through `{% translate variable %}`.

Here for `make messages` alone, as the domain knows no languages; what is said with a varying word stands with each that
it may have. `tests/unit/test_kept_texts.py` compares them with the code.
"""

from django.utils.translation import gettext_noop as _

NOT_REPLAYABLE = (
    _("it is closed: nothing more can be taken with it"),
    _("it is paid"),
    _("its outcome is unknown: Stripe is being asked"),
    _("it is under way"),
    _("this card was declined 15 times in 30 days: the card networks allow no more for now"),
    _("this payment method was declined for good: another one is needed"),
    _("the customer must confirm the payment with their bank: charging again without them fails again"),
)
NOT_REFUNDABLE = (
    _("it isn't paid, it is pending"),
    _("it isn't paid, it is failed"),
    _("it is disputed (needs_response): its money is with the bank, and Stripe refunds nothing"),
    _("it is disputed (under_review): its money is with the bank, and Stripe refunds nothing"),
    _("it is disputed (appeal_needs_response): its money is with the bank, and Stripe refunds nothing"),
    _("it is disputed (appeal_under_review): its money is with the bank, and Stripe refunds nothing"),
    _("it is disputed (lost): its money is with the bank, and Stripe refunds nothing"),
    _("all of it is refunded, or is about to be"),
)
NOT_CLOSED = (
    _("it is closed already"),
    _("it is paid: refund it instead"),
    _("Stripe gave no answer: try again"),
    _("Stripe did not cancel it, it is processing: try again"),
    _("Stripe says that it is paid"),
    _("its subscription has an open payment: close that first"),
)
NOT_ALLOWED = (
    _("somebody else has begun this: begin your own"),
    _("say why: it is kept with every change"),
    _("this is under way already"),
    _("nobody approves what they asked for: another person must"),
    _("somebody has decided already"),
)
NOT_COMPARED = (
    _("its time is up: it goes on with the next run"),
    _("charging needs all that Stripe's rate limit allows: try again when there is less to do"),
)
NOT_A_PRICE = (
    _("must be a number"),
    _("must be greater than 0"),
    _("must be a whole number, as prices come in minor units (PRICE_UNIT)"),
)
PARKED = (
    _(
        "what is kept isn't what came (a card number was masked, or it was too long to be kept whole): give the "
        "corrected event"
    ),
)
RESTORED = (
    _("Stripe is asked what was charged since the database was restored: wait for reconcile --adopt to end well."),
    _(
        "Stripe has charged a payment whose PaymentIntent isn't bound to it here, so the database has forgotten "
        "commits. Run manage.py reconcile --adopt --from <a time before the last moment that the database remembers>: "
        "it asks Stripe what was charged since then, and resumes charging."
    ),
)
