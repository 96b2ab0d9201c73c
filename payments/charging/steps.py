"""The steps of one payment at Stripe, as a generator: it yields calls and is sent their answers.

So the order of things reads from top to bottom here, while `run` decides how many go on side by side, and a
test can stop between any two. Between the calls, and never around them, stand short transactions.

Never twice rests on this order: create (takes nothing) → bind (commit) → confirm (by that id) → settle.
"""

import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from django.db import transaction

from payments.answers import Account, Answer, Intent, Misconfigured, Owner, Rejected, Reply, Seen
from payments.charging.claim import Claim, Step, new_key
from payments.charging.settle import settle
from payments.gateway import CreateIntent, Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment
from payments.retry_policy import KEY_LIFETIME


@dataclass(frozen=True)
class Call:
    """One call to Stripe, and whose rate limit it counts for."""

    endpoint: Endpoint
    ask: Callable[[], Reply]

    def __call__(self) -> Reply:
        """Make it. Blocks, and raises nothing that depends on the answer."""
        return self.ask()


Clock = Callable[[], datetime]
Steps = Generator[Call, Reply, None]

# What an intent shows when a confirm has not been carried out, was declined, or is still on its way: the look
# alone can't tell which, so the attempt's own bytes are sent again and that answer is believed.
NOT_PROVEN = ("requires_payment_method", "requires_confirmation")


def steps(*, claim: Claim, gateway: Gateway, clock: Clock) -> Steps:
    """All that one claim needs to be settled, or to be known as unknown."""
    match claim.step:
        case Step.CHARGE:
            yield from _charge(claim, gateway, clock)
        case Step.RESOLVE:
            yield from _resolve(claim, gateway, clock)
        case Step.LOOK:
            answer = yield Call(Endpoint.RETRIEVE, lambda: gateway.retrieve(intent=claim.intent or ""))
            yield from _finish(claim, answer, gateway, clock)
        case _:
            assert_never(claim.step)


def _charge(claim: Claim, gateway: Gateway, clock: Clock) -> Steps:
    if claim.customer is None:
        owner = yield Call(Endpoint.PAYMENT_METHOD, lambda: gateway.owner_of(payment_method=claim.payment_method))
        if not isinstance(owner, Owner):
            return (yield from _finish(claim, owner, gateway, clock, about_intent=False))
        claim = replace(claim, customer=owner.customer)
        # Of this method: another event may have brought another one meanwhile.
        Payment.objects.filter(id=claim.payment, customer__isnull=True, payment_method=claim.payment_method).update(
            customer=owner.customer
        )
    if claim.intent is None:
        made = yield Call(Endpoint.CREATE, lambda: gateway.create(wish=_wish(claim), key=f"create-{uuid.uuid4()}"))
        if not isinstance(made, Seen):
            return (yield from _finish(claim, made, gateway, clock))
        if not gateway.account:
            yield Call(Endpoint.ACCOUNT, gateway.ask_account)
        bound = bind(claim=claim, made=made.intent, account=gateway.account, now=clock())
        if bound != made.intent.id:
            # Somebody else bound another one, or the payment was closed: ours must never be confirmed.
            yield Call(Endpoint.CANCEL, lambda: gateway.cancel(intent=made.intent.id))
        if bound is None:
            return None
        claim = replace(claim, intent=bound, intent_customer=claim.customer or "")
    if claim.customer and claim.intent_customer != claim.customer:
        # Another attempt, with a method of another customer than the intent was made for.
        moved = yield Call(
            Endpoint.UPDATE,
            lambda: gateway.set_customer(intent=claim.intent or "", customer=claim.customer or ""),
        )
        if not isinstance(moved, Seen):
            return (yield from _finish(claim, moved, gateway, clock))
        Payment.objects.filter(id=claim.payment, intent_id=claim.intent).update(intent_customer=claim.customer)
    return (yield from _confirm(claim, gateway, clock))


def _resolve(claim: Claim, gateway: Gateway, clock: Clock) -> Steps:
    seen = yield Call(Endpoint.RETRIEVE, lambda: gateway.retrieve(intent=claim.intent or ""))
    if isinstance(seen, Seen) and seen.intent.status in NOT_PROVEN and not (claim.was_processing and seen.refusal):
        # From the top: it may have been interrupted before it knew the customer, or moved the intent there.
        yield from _charge(claim, gateway, clock)
    else:
        yield from _finish(claim, seen, gateway, clock)


def _confirm(claim: Claim, gateway: Gateway, clock: Clock) -> Steps:
    """Send the attempt's frozen request under its own key, for the first time or again."""
    attempt = Attempt.objects.get(id=claim.attempt)
    if attempt.state not in Attempt.OPEN:
        return
    if attempt.key_is_spent or clock() - (attempt.key_made_at or clock()) > KEY_LIFETIME:
        # By compare and set: of two workers that see it spent, both must send the same new one, and an attempt that
        # somebody has settled meanwhile keeps the one that it ended with.
        Attempt.objects.filter(id=attempt.id, idempotency_key=attempt.idempotency_key, state__in=Attempt.OPEN).update(
            idempotency_key=new_key(), key_made_at=clock(), key_is_spent=False
        )
        attempt.refresh_from_db()
        if attempt.state not in Attempt.OPEN:
            return
    if attempt.sent_at is None:
        Attempt.objects.filter(id=attempt.id, sent_at__isnull=True).update(sent_at=clock())
    key, request = attempt.idempotency_key, attempt.request
    answer = yield Call(Endpoint.CONFIRM, lambda: gateway.confirm(intent=claim.intent or "", request=request, key=key))
    yield from _finish(claim, answer, gateway, clock)


def bind(*, claim: Claim, made: Intent, account: str, now: datetime) -> str | None:
    """Tie a PaymentIntent to its payment, once and for ever; committed before anything can be confirmed.

    Returns the id that is bound now: ours, another worker's, or None if the payment was closed. After 0 rows
    it reads again, as our own COMMIT may have been acknowledged late.
    """
    with transaction.atomic():
        Payment.objects.filter(id=claim.payment, intent_id__isnull=True, closed_at__isnull=True).update(
            intent_id=made.id, intent_customer=claim.customer or "", account_id=account, livemode=made.livemode
        )
        # In the same commit, as the confirm follows.
        Attempt.objects.filter(id=claim.attempt, sent_at__isnull=True).update(sent_at=now)
    return Payment.objects.filter(id=claim.payment, closed_at__isnull=True).values_list("intent_id", flat=True).first()


def _wish(claim: Claim) -> CreateIntent:
    return CreateIntent(
        payment=str(claim.payment),
        subscription=claim.subscription,
        amount=claim.amount,
        currency=claim.currency,
        customer=claim.customer or "",
        traceparent=claim.traceparent,
    )


def _finish(claim: Claim, reply: Reply, gateway: Gateway, clock: Clock, *, about_intent: bool = True) -> Steps:
    """Settle what the last call said; before our key is blamed for everyone, ask whether it is everyone's trouble."""
    if isinstance(reply, Misconfigured) and reply.http_status == 403:
        probed = yield Call(Endpoint.LIST, gateway.probe)
        reply = replace(reply, everyones=isinstance(probed, Misconfigured))
    elif isinstance(reply, Rejected) and reply.missing and claim.intent and about_intent:
        asked = yield Call(Endpoint.ACCOUNT, gateway.ask_account)
        elsewhere = isinstance(asked, Account) and asked.id != claim.account
        reply = Misconfigured(http_status=404, everyones=elsewhere, code=reply.code, request=reply.request)
    if isinstance(reply, Answer):
        settle(attempt_id=claim.attempt, answer=reply, now=clock())
