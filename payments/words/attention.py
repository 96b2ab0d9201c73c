"""Why a person should look at a payment: what stands in `attention`, in words for staff, with what to do.

`attention` is written by the rooms below in the operators' English. Its beginnings are matched here; what none
matches is shown as it stands.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

NOT_THIS_PAYMENT = "Stripe's answer is not about this payment"
CLOSED_BUT_PAID = "Stripe says succeeded, but this payment was closed"
NO_SUCH_INTENT = "Stripe does not have its PaymentIntent"

_WORDS: tuple[tuple[str, Promise], ...] = (
    (NOT_THIS_PAYMENT, _("Stripe's answer does not fit this payment, so it was not believed. An engineer must look.")),
    (CLOSED_BUT_PAID, _("It was closed, and Stripe says that money was taken all the same. Refund it at Stripe.")),
    (NO_SUCH_INTENT, _("Stripe does not know its PaymentIntent. An engineer must check key and account.")),
    (
        "Stripe refuses our key",
        _("Stripe refuses our key. An engineer must check it; charging goes on by itself then."),
    ),
    ("its worker died each time", _("Each time it was tried, the program ended. An engineer must look.")),
    ("its outcome is still unknown", _("Stripe has given no clear answer for minutes. It is asked until it does.")),
    ("Stripe is still processing it", _("The bank has been working on it for minutes. Stripe is asked until it ends.")),
    ("disputed", _("The customer's bank disputes it, and an answer is due.")),
    ("Stripe's books differ", _("Stripe's books and ours differ. Somebody must settle it: see the differences.")),
)


def in_words(attention: str) -> str:
    """What to look at, and why; as it stands where there are no words for it. Empty where nobody need look."""
    for beginning, words in _WORDS:
        if attention.startswith(beginning):
            return str(words)
    return attention
