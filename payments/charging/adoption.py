"""Adopt: after a restore, tie a payment again to the PaymentIntent that the database has forgotten.

P1: until then the payment looks as if nothing had been asked of Stripe. What Stripe says of the intent is settled
before anything can be confirmed again. A card that was declined there is not tried once more: whoever asked for
that was told so before the restore, and is told again under the same id.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.db import transaction

from payments.answers import Declined, ListedIntent, Seen
from payments.charging.claim import confirm_request, new_key
from payments.charging.integrity import find_mismatch
from payments.charging.retry import request_attempt
from payments.charging.settle import settle
from payments.models import Attempt, Payment, Transition

log = structlog.get_logger(__name__)

# What an intent shows that nothing was taken with, though it may have been tried.
NOT_PAID = ("requires_payment_method", "requires_confirmation")

WHO = "adoption"

# So the names of Stripe's test methods begin: what they stand for is named by another id in each answer.
TEST_METHOD = "pm_card_"


@dataclass(frozen=True, kw_only=True)
class NotAdopted:
    """Why a PaymentIntent and its payment don't come together. `passes`: by itself, so try again soon."""

    text: str
    passes: bool = False


def adopt(
    *, payment_id: uuid.UUID, found: ListedIntent, account: str, now: datetime, tries: int = 0
) -> NotAdopted | None:
    """Bind a payment to its intent, if it isn't, and settle what was forgotten of it. Returns why not, or None.

    Repeats do no harm. `found` must have been read while nothing could be charged; `tries`: so many charges, failed
    ones too, Stripe has made with it that no row knows of. Raises `Payment.DoesNotExist`.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(id=payment_id)
        refusal = _refusal(payment, found, now)
        if refusal:
            return refusal
        if payment.intent_id is None:
            _bind(payment, found, account, now)
        answer = _forgotten(payment, found, tries)
        if answer is None:
            return None
        if isinstance(answer, Declined):
            _use_up_method(payment, found.declined_method)
            _keep_method(payment, found)
            if payment.status == Payment.Status.FAILED:
                _ask_again(payment, now)
        attempt = _attempt_for(payment, found, max(tries, 1), now)
    settle(attempt_id=attempt.id, answer=answer, now=now, who=WHO)
    return None


def _refusal(payment: Payment, found: ListedIntent, now: datetime) -> NotAdopted | None:
    if payment.intent_id not in (None, found.intent.id):
        return NotAdopted(text=f"it is bound to {payment.intent_id}")
    if payment.closed_at:
        return NotAdopted(text="it is closed")
    if payment.lease_until and payment.lease_until > now:
        return NotAdopted(text="a worker is at work on it", passes=True)
    mismatch = find_mismatch(payment, found.intent)
    return NotAdopted(text=mismatch) if mismatch else None


def _bind(payment: Payment, found: ListedIntent, account: str, now: datetime) -> None:
    payment.intent_id, payment.intent_customer = found.intent.id, found.customer
    payment.account_id, payment.livemode = account, found.intent.livemode
    payment.save(update_fields=["intent_id", "intent_customer", "account_id", "livemode"])
    Transition.objects.create(
        payment=payment, from_status=payment.status, to_status=payment.status, who=WHO,
        why="bound again to the PaymentIntent that was made for it", evidence={"intent": found.intent.id}, at=now,
    )  # fmt: skip
    log.info("adopted", payment=str(payment.id), status=found.intent.status)


def _forgotten(payment: Payment, found: ListedIntent, tries: int) -> Seen | Declined | None:
    """What Stripe says of it that our rows don't; None: nothing, or nothing was ever tried. What has failed here and
    there was tried again only where a charge says so."""
    if payment.status == Payment.Status.SUCCESS:
        return None
    if found.intent.status == "requires_action" and _may_be_of_an_earlier_attempt(payment):
        # A worker asks about the one that is under way, or makes the one that is asked for.
        return None
    if found.intent.status not in NOT_PAID:
        return found.seen
    refusal = found.seen.refusal
    if refusal is None or _is_known(payment, refusal):
        return None
    if payment.status == Payment.Status.FAILED and not (tries and refusal.charge and _is_its_own(payment, found)):
        # Told already; or another card, which nobody has asked for here: the customer's own try.
        return None
    if not refusal.charge and found.declined_method not in ("", payment.payment_method, payment.next_payment_method):
        # An earlier method's: its customer has failed to confirm, say. This one was not tried.
        return None
    return replace(refusal, intent=found.intent)


def _may_be_of_an_earlier_attempt(payment: Payment) -> bool:
    """Whether what the PaymentIntent shows needn't be of the attempt that the payment waits for."""
    return _waits_for_its_next(payment) or payment.attempts.filter(state__in=Attempt.OPEN, number__gt=1).exists()


def _waits_for_its_next(payment: Payment) -> bool:
    """Whether an attempt was asked for after others, and hasn't begun as far as is known here."""
    if payment.status != Payment.Status.PENDING or not payment.attempts.exists():
        return False
    return not payment.attempts.filter(state__in=Attempt.OPEN).exists()


def _is_known(payment: Payment, refusal: Declined) -> bool:
    """Whether one of our attempts has had this very answer."""
    declined = payment.attempts.filter(state__in=(Attempt.State.DECLINED, Attempt.State.ACTION_REQUIRED))
    if refusal.charge:
        return declined.filter(charge_id=refusal.charge).exists()
    return declined.filter(code=refusal.code, decline_code=refusal.decline_code).exists()


def _use_up_method(payment: Payment, method: str) -> None:
    """A method that came in while the first one was tried, and that was declined, too, isn't tried once more."""
    if method and payment.next_payment_method == method:
        payment.payment_method, payment.customer = method, payment.next_customer
        payment.next_payment_method, payment.next_customer = "", None
        payment.save(update_fields=["payment_method", "customer", "next_payment_method", "next_customer"])


def _keep_method(payment: Payment, found: ListedIntent) -> None:
    """P2: a method that was asked for, and whose turn hasn't come, is tried after what another one was declined with.
    One that came in later still takes its place."""
    if _waits_for_its_next(payment) and not payment.next_payment_method and not _is_its_own(payment, found):
        payment.next_payment_method, payment.next_customer = payment.payment_method, payment.customer
        payment.save(update_fields=["next_payment_method", "next_customer"])


def _is_its_own(payment: Payment, found: ListedIntent) -> bool:
    """Whether the method that was declined there is, as far as can be known, the payment's present one."""
    known = found.declined_method in ("", payment.payment_method)
    return known or payment.payment_method.startswith(TEST_METHOD)


def _ask_again(payment: Payment, now: datetime) -> None:
    """It was asked for, and that is forgotten, too: so it is told once more, under the number that it had."""
    request_attempt(
        payment=payment, asked_by=payment.asked_by, payment_method=payment.payment_method, customer=None,
        now=now, why="it was tried once more, which was forgotten",
    )  # fmt: skip
    payment.save()


def _attempt_for(payment: Payment, found: ListedIntent, tries: int, now: datetime) -> Attempt:
    """The attempt that the answer is about: the latest, or one in the place of the forgotten ones.

    P4: under the number that it had, as its notification is told again. Whatever left no charge there isn't counted.
    """
    latest = payment.attempts.order_by("-number").first()
    number = (latest.number if latest else 0) + tries
    if latest and latest.state in Attempt.OPEN:
        number -= 1  # the first of these tries was its own
        if number == latest.number:
            return latest
        latest.state, latest.ended_at = Attempt.State.SUPERSEDED, now
        latest.save(update_fields=["state", "ended_at"])
    elif latest and payment.status == Payment.Status.FAILED:
        return latest
    method = found.declined_method or payment.payment_method
    attempt = Attempt.objects.create(
        payment=payment, number=number, asked_by=payment.asked_by, payment_method=method,
        request=confirm_request(payment_method=method), idempotency_key=new_key(), key_made_at=now, sent_at=now,
        created_at=now,
    )  # fmt: skip
    Transition.objects.create(
        payment=payment, attempt=attempt, from_status=payment.status, to_status=payment.status,
        attempt_state=attempt.state, who=WHO, why="in the place of an attempt that was forgotten", at=now,
    )  # fmt: skip
    return attempt
