"""The states of all rows in words: tables, and the one way to read them."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

Table = Mapping[str, Promise]

STATUSES: Table = {
    "pending": _("not settled yet"),
    "success": _("paid"),
    "failed": _("not paid"),
}
ATTEMPTS: Table = {
    "sending": _("under way"),
    "unknown": _("nobody knows yet how it ended"),
    "processing": _("the bank is still working on it"),
    "action_required": _("the customer must confirm it with the bank"),
    "succeeded": _("succeeded"),
    "declined": _("declined"),
    "rejected": _("could not be carried out"),
    "refused": _("refused by the rules, nothing was sent to Stripe"),
    "superseded": _("overtaken by another try that succeeded"),
}
FAULTS: Table = {
    "customer": _("something the customer can mend"),
    "issuer": _("the customer's bank"),
    "us": _("us"),
    "stripe": _("Stripe"),
}
KINDS: Table = {
    "soft": _("may work another time"),
    "hard": _("never works with this card"),
    "action": _("the customer must do something"),
}
VERDICTS: Table = {
    "accepted": _("accepted"),
    "duplicate": _("a duplicate: nothing more is done"),
    "conflict": _("set aside: it contradicts a payment that we have"),
    "invalid": _("set aside: it can't be understood"),
    "dismissed": _("set aside, and dismissed by a person"),
}
WEBHOOKS: Table = {
    "": _("not judged yet"),
    "look": _("so Stripe was asked"),
    "nothing_new": _("which we knew already"),
    "kept": _("which contradicts what we have: kept for a person"),
    "foreign": _("about nothing of ours"),
}
PAUSES: Table = {
    "staff": _("staff have paused charging"),
    "key": _("Stripe refuses our key"),
    "outage": _("Stripe does not answer"),
    "restored": _("the database was restored, and Stripe must be asked first what it has forgotten"),
}
REFUNDS: Table = {
    "sending": _("on its way to Stripe"),
    "unknown": _("nobody knows yet whether Stripe has made it"),
    "pending": _("Stripe has made it, the bank has not carried it out yet"),
    "succeeded": _("given back"),
    "failed": _("the bank could not give it back: the money is ours again"),
    "canceled": _("cancelled at Stripe: nothing was given back"),
    "rejected": _("refused by Stripe: nothing was given back"),
}
CHANNELS: Table = {
    "notifications": _("the notification"),
    "dead_letters": _("the copy of a record that was set aside"),
    "refunds": _("the news of money back"),
}
BREAKS: Table = {
    "paid_there": _("Stripe has taken money that isn't noted here"),
    "paid_here": _("noted as paid here, but Stripe says otherwise"),
    "paid_twice": _("money was taken twice for the same subscription"),
    "amount": _("Stripe has taken another amount"),
    "refunded": _("Stripe has given back another amount"),
}
ITEMS: Table = {
    "waiting": _("waits"),
    "done": _("done"),
    "refused": _("refused"),
}


def word(table: Table, code: str) -> str:
    """The words for a state; the code itself, quoted, where there are none."""
    if code in table:
        return str(table[code])
    return gettext("“%(code)s”") % {"code": code} if code else gettext("nothing")
