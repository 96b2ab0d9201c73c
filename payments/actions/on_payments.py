"""What staff may do to payments."""

import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import charging, gateway, money, outbox, reconcile, refunds
from payments.actions.action import Action, Argument, ArgumentInvalid, Did, Refused, Subject, Wish
from payments.answers import Owner, Rejected
from payments.models import Payment, Pruned, Transition


def _why_not_retry(payment: Payment, now: datetime) -> str:
    refusal = charging.not_replayable(payment, now=now)
    return refusal.text if refusal else ""


def _retry(wish: Wish) -> Did | Refused:
    method = wish.arguments.get("payment_method", "")
    refusal = charging.replay(payment_id=_id(wish), who=wish.who, reason=wish.why, now=wish.now, payment_method=method)
    return Refused(text=refusal.text) if refusal else Did(text=_("is tried again"), ring=(_id(wish),))


def _why_not_retry_with(payment: Payment, now: datetime) -> str:
    refusal = charging.not_replayable(payment, now=now, payment_method="another")
    return refusal.text if refusal else ""


def _read_method(text: str, payment: Subject) -> str:
    if not re.fullmatch(r"(pm|card|src)_\w{1,250}", text):
        raise ArgumentInvalid(_("must be Stripe's id of a payment method: pm_…"))
    assert isinstance(payment, Payment)  # noqa: S101
    if text == payment.payment_method:
        raise ArgumentInvalid(_("is the payment method that it has now: use “Try again”"))
    # A slip of the hand must not charge a stranger.
    match gateway.connect().owner_of(payment_method=text):
        case Owner(customer=owner) if payment.customer and owner != payment.customer:
            raise ArgumentInvalid(_("belongs to another customer than the payment: nothing was changed"))
        case Owner():
            return text
        case Rejected():
            raise ArgumentInvalid(_("is not known to Stripe: look it up in Stripe's dashboard"))
        case _:
            raise ArgumentInvalid(_("could not be looked up, as Stripe gave no answer: try again"))


def _why_not_refresh(payment: Payment, _now: datetime) -> str:
    if payment.intent_id is None:
        return _("nothing of it is at Stripe")
    if payment.closed_at:
        return _("it is closed: nothing can change any more")
    last = payment.attempts.order_by("-number").first()
    if payment.status == Payment.Status.PENDING and last and not charging.only_asks(last):
        return _("it is about to be charged: its outcome comes by itself")
    return ""


def _refresh(wish: Wish) -> Did | Refused:
    payment = Payment.objects.get(id=_id(wish))
    why_not = _why_not_refresh(payment, wish.now)
    if why_not:
        return Refused(text=why_not)
    if payment.status != Payment.Status.SUCCESS:
        taken = payment.lease_until is not None and payment.lease_until > wish.now
        if taken or charging.make_due(payment=payment, now=wish.now):
            return Did(text=_("Stripe is being asked"), ring=(payment.id,))
        return Refused(text=_("a worker has it just now: try again"))
    try:
        agree = reconcile.refresh(payment=payment, gateway=gateway.connect(), clock=lambda: datetime.now(UTC))
    except reconcile.Interrupted as interrupted:
        return Refused(text=str(interrupted))
    return Did(text=_("Stripe says the same") if agree else _("Stripe's books differ: see the breaks"))


def _why_not_close(payment: Payment, _now: datetime) -> str:
    if payment.closed_at:
        return _("it is closed already")
    return _("it is paid: refund it instead") if payment.status == Payment.Status.SUCCESS else ""


def _close(wish: Wish) -> Did | Refused:
    payment = Payment.objects.get(id=_id(wish))
    if payment.closed_at:  # perhaps by this very job, which was cut off before it could say so
        mine = payment.history.latest("id").who == wish.who
        return Did(text=_("is closed")) if mine else Refused(text=_("it is closed already"))
    refusal = charging.close(
        payment_id=payment.id, who=wish.who, reason=wish.why, gateway=gateway.connect(), now=wish.now
    )
    return Refused(text=refusal.text) if refusal else Did(text=_("is closed"))


def _why_not_reissue(payment: Payment, _now: datetime) -> str:
    if payment.closed_at is None:
        return _("it is open: close it first")
    latest = Payment.objects.filter(subscription=payment.subscription_id).latest("number")
    return _("its subscription has an open payment: close that first") if latest.closed_at is None else ""


def _reissue(wish: Wish) -> Did | Refused:
    made = charging.reissue(payment_id=_id(wish), who=wish.who, reason=wish.why, now=wish.now)
    if isinstance(made, charging.NotClosed):
        return Refused(text=made.text)
    return Did(text=_("is issued again as %(id)s") % {"id": made.id}, ring=(made.id,))


def _why_not_refund(payment: Payment, _now: datetime) -> str:
    refusal = refunds.find_refusal(payment, amount=None, left=refunds.left_to_refund(payment))
    return refusal.text if refusal else ""


def _refund(wish: Wish) -> Did | Refused:
    # What was seen and approved, and not all that is left by now: another refund may have failed since.
    amount = wish.arguments.get("amount", wish.seen)
    asked = refunds.request(
        payment_id=_id(wish), amount=amount, who=wish.who, reason=wish.why, now=wish.now, refund_id=wish.id
    )
    if isinstance(asked, refunds.NotRefundable):
        return Refused(text=asked.text)
    given = money.for_people(asked.amount, currency=asked.payment.currency)
    return Did(text=_("%(amount)s go back") % {"amount": given})


def _read_amount(text: str, payment: Subject) -> int | None:
    """In minor units; people write major ones."""
    assert isinstance(payment, Payment)  # noqa: S101
    try:
        price = Decimal(text.replace(",", ".").replace(" ", "").replace("\N{NO-BREAK SPACE}", ""))
        amount = money.to_minor(price, currency=payment.currency, unit="major")
    except InvalidOperation:
        raise ArgumentInvalid(_("must be a number like 12.50")) from None
    except money.PriceInvalid as invalid:
        raise ArgumentInvalid(_(str(invalid))) from None
    left = refunds.left_to_refund(payment)
    if amount > left:
        rest = money.for_people(left, currency=payment.currency)
        raise ArgumentInvalid(_("only %(rest)s is left to refund") % {"rest": rest})
    return amount


def _why_not_notify(payment: Payment, _now: datetime) -> str:
    if payment.status == Payment.Status.PENDING:
        return _("its outcome isn't known yet: it is told by itself when it is")
    if outbox.last_told(payment):
        return ""
    if Pruned.objects.filter(what="outbox", before__gt=payment.settled_at).exists():
        return _("what was told of it is so long ago that it isn't kept any more")
    return _("nobody was told anything about it yet")


def _notify(wish: Wish) -> Did | Refused:
    payment = Payment.objects.select_for_update(of=("self",)).get(id=_id(wish))
    why_not = _why_not_notify(payment, wish.now)
    if why_not:
        return Refused(text=why_not)
    told = outbox.tell_again(payment=payment, now=wish.now)
    Transition.objects.create(
        payment=payment, from_status=payment.status, to_status=payment.status, who=wish.who, at=wish.now,
        why=f"told again: {wish.why}", evidence={"notification": told},
    )  # fmt: skip
    transaction.on_commit(outbox.wake)
    return Did(text=_("is told again as “%(status)s”") % {"status": payment.status})


def _id(wish: Wish) -> uuid.UUID:
    assert isinstance(wish.subject, uuid.UUID)  # noqa: S101
    return wish.subject


def _amount(payment: Payment) -> int:
    return payment.amount


METHOD = Argument(
    name="payment_method", required=True, read=_read_method, label=gettext_lazy("Payment method"),
    help=gettext_lazy("Stripe's id of another saved payment method of the same customer, pm_…"),
)  # fmt: skip
AMOUNT = Argument(
    name="amount", required=False, read=_read_amount, label=gettext_lazy("Amount"),
    help=gettext_lazy("As people write it, 12.50. The sum above if you leave it empty."),
)  # fmt: skip

ON_PAYMENTS = (
    Action(
        name="retry", about="payment", permission="payments.retry_payment", takes=_amount,
        title=gettext_lazy("Try again"),
        says=gettext_lazy("The card that was declined is charged once more, after live payments."),
        find_refusal=_why_not_retry, act=_retry,
    ),
    Action(
        name="retry_with", about="payment", permission="payments.retry_payment", takes=_amount, arguments=(METHOD,),
        title=gettext_lazy("Try with another payment method"),
        says=gettext_lazy("Another saved payment method of the customer is charged."),
        find_refusal=_why_not_retry_with, act=_retry,
    ),
    Action(
        name="refresh", about="payment", permission="payments.refresh_payment", in_transaction=False,
        title=gettext_lazy("Ask Stripe"),
        says=gettext_lazy("Stripe is asked what it knows of the payment. Nothing is charged."),
        find_refusal=_why_not_refresh, act=_refresh,
    ),
    Action(
        name="notify", about="payment", permission="payments.notify_payment",
        title=gettext_lazy("Send the notification again"),
        says=gettext_lazy("The customer is told once more how the payment stands."),
        find_refusal=_why_not_notify, act=_notify,
    ),
    Action(
        name="refund", about="payment", permission="payments.refund_payment", takes=refunds.left_to_refund,
        arguments=(AMOUNT,), title=gettext_lazy("Refund"),
        says=gettext_lazy("Money goes back to the card that paid. This can't be undone."),
        find_refusal=_why_not_refund, act=_refund,
    ),
    Action(
        name="close", about="payment", permission="payments.close_payment", in_transaction=False,
        title=gettext_lazy("Close"),
        says=gettext_lazy("It is cancelled at Stripe: nothing more can ever be taken with it."),
        find_refusal=_why_not_close, act=_close,
    ),
    Action(
        name="reissue", about="payment", permission="payments.reissue_payment", takes=_amount,
        title=gettext_lazy("Issue again"),
        says=gettext_lazy("A new payment of the same subscription is made out of a closed one, and charged."),
        find_refusal=_why_not_reissue, act=_reissue,
    ),
)  # fmt: skip
