"""Not settled yet: what is under way, what nobody knows, and what waits."""

from django.utils.translation import gettext as _

from payments import words
from payments.explain.known import Known, is_open
from payments.explain.story import Conclusion, Tone


def conclude_pending(known: Known) -> Conclusion:
    """By the state of the latest attempt."""
    if known.attempt in ("succeeded", "superseded"):
        return _contradiction()
    if not is_open(known.attempt):
        return _waits(known)
    if known.attempt == "processing":
        return _processing(known)
    if known.attempt == "sending" and known.in_hand:
        return _under_way()
    return _unknown(known) if known.may_be_sent else _not_sent(known)


def asked_again(known: Known) -> str:
    """When the next step is taken: a sentence's end, as in `Stripe is asked again …`."""
    if known.paused:
        return _("as soon as charging goes on")
    if known.due_at is None or known.due_at <= known.now:
        return _("now")
    return _("at %(time)s") % {"time": words.both_zones(known.due_at)}


def pause_of(known: Known) -> str:
    """A sentence on why charging stands still; empty where it doesn't."""
    if not known.paused:
        return ""
    causes = "; ".join(words.word(words.PAUSES, cause) for cause in known.paused)
    return _("Charging is paused: %(causes)s.") % {"causes": causes}


def _under_way() -> Conclusion:
    return Conclusion(
        tone="wait", what=_("It is being tried at this moment."),
        taken="unknown", money=_("Whether money is taken will be known in a moment."),
        retry="wait", retry_short=_("Don't retry."), retry_why=_("A try is under way. Open this page again."),
        customer=_("Wait a moment."),
    )  # fmt: skip


def _unknown(known: Known) -> Conclusion:
    again = asked_again(known)
    return Conclusion(
        tone="wait",
        what=_join(_("Nobody knows yet how the last try ended: Stripe gave no clear answer."), pause_of(known)),
        taken="unknown", money=_("Whether money was taken is not known yet."),
        retry="wait", retry_short=_("Don't retry. Stripe is asked again %(when)s.") % {"when": again},
        retry_why=_(
            "Stripe may have taken the money. It is asked by itself until it gives an answer; only then it is safe to "
            "say anything."
        ),
        customer=_("Wait, and do not pay again meanwhile. They get a message as soon as Stripe has answered."),
    )  # fmt: skip


def _not_sent(known: Known) -> Conclusion:
    return Conclusion(
        tone="wait",
        what=_join(_("A try was begun and broke off before the charge was sent to Stripe."), pause_of(known)),
        taken="no", money=_nothing(known),
        retry="wait", retry_short=_("It goes on by itself %(when)s.") % {"when": asked_again(known)},
        retry_why=_("The try is still open and goes on by itself."),
        customer=_("Wait. They get a message when it is settled."),
    )  # fmt: skip


def _processing(known: Known) -> Conclusion:
    return Conclusion(
        tone="wait",
        what=_join(_("The customer's bank is still working on it."), pause_of(known)),
        taken="unknown", money=_("Whether money is taken is not certain yet."),
        retry="wait", retry_short=_("Don't retry. Stripe is asked again %(when)s.") % {"when": asked_again(known)},
        retry_why=_("The bank has the payment, and has not decided yet. This may take days with some banks."),
        customer=_("Wait, and do not pay again meanwhile. They get a message when the bank has decided."),
    )  # fmt: skip


def _waits(known: Known) -> Conclusion:
    """Never tried, or to be tried again: the last attempt, if any, has ended without taking anything."""
    again = bool(known.attempt)
    what = _("Another try was asked for, and it waits for its turn.") if again else _("It waits for its first try.")
    tone: Tone = "wait"
    restored = "restored" in known.paused
    return Conclusion(
        tone=tone, what=_join(what, pause_of(known)),
        taken="unknown" if restored else "no", money=_nothing(known),
        retry="wait", retry_short=_("It is tried by itself %(when)s.") % {"when": asked_again(known)},
        retry_why=_("It is tried by itself; there is nothing to start."),
        customer=_("Wait. They get a message when it is settled."),
    )  # fmt: skip


def _nothing(known: Known) -> str:
    """The rows know of no charge; after a restore they may have forgotten one."""
    if "restored" in known.paused:
        return _("Whether money was taken is not known until Stripe was asked.")
    return _("Nothing was taken.")


def _contradiction() -> Conclusion:
    """No arrow leads here; if a row says so all the same, it is for an engineer."""
    return Conclusion(
        tone="act", what=_("Its rows contradict each other: a try has succeeded, and the payment is not settled."),
        taken="unknown", money=_("Whether money was taken must be looked up at Stripe."),
        retry="no", retry_short=_("Don't retry."), retry_why=_("An engineer must look first."),
        customer=_("Tell them that we are looking into it, and that they should not pay again meanwhile."),
        staff=_("An engineer must look."),
    )  # fmt: skip


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
