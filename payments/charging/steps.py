"""The steps of one payment at Stripe, as a generator: it yields calls and writes, and is sent what they bring.

So the order of things reads from top to bottom here, while `run` decides how many go on side by side and writes for
many at once, and a test can stop between any two. Between the calls, never around them, stand short transactions.

Never twice rests on this order: create (takes nothing) → bind (commit) → confirm (by that id) → settle.
"""

import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from payments.answers import Account, Answer, Misconfigured, Owner, Rejected, Reply, Seen, Unknown
from payments.charging.claim import Claim, Step
from payments.charging.together import together
from payments.charging.writes import Bind, Learn, Send, Settle, Write
from payments.gateway import CreateIntent, Gateway
from payments.limits import Endpoint
from payments.models import Payment


@dataclass(frozen=True)
class Call:
    """One call to Stripe, and whose rate limit it counts for."""

    endpoint: Endpoint
    ask: Callable[[], Reply]

    def __call__(self) -> Reply:
        """Make it. Blocks, and raises nothing that depends on the answer."""
        return self.ask()


Clock = Callable[[], datetime]
# Is sent a `Reply` for a call, and for a write what that brings.
Steps = Generator[Call | Write, Any, None]
# Where nothing is written for many at once.
Calls = Generator[Call, Reply, None]

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
            answer = yield Call(Endpoint.RETRIEVE, gateway.retrieving(intent=claim.intent or ""))
            yield from _finish(claim, answer, gateway, clock)
        case _:
            assert_never(claim.step)


def _charge(claim: Claim, gateway: Gateway, clock: Clock) -> Steps:
    if claim.customer is None:
        owner = yield Call(Endpoint.PAYMENT_METHOD, gateway.asking_owner(payment_method=claim.payment_method))
        if not isinstance(owner, Owner):
            return (yield from _finish(claim, owner, gateway, clock, about_intent=False))
        claim = replace(claim, customer=owner.customer)
        yield Learn(payment=claim.payment, payment_method=claim.payment_method, customer=owner.customer)
    if claim.intent is None:
        made = yield Call(Endpoint.CREATE, gateway.creating(wish=_wish(claim), key=f"create-{uuid.uuid4()}"))
        made = _ours(made, claim)
        if not isinstance(made, Seen):
            return (yield from _finish(claim, made, gateway, clock))
        if not gateway.account:
            yield Call(Endpoint.ACCOUNT, gateway.ask_account)
        bound = yield Bind(claim=claim, made=made.intent, account=gateway.account)
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
        with together(1):
            Payment.objects.filter(id=claim.payment, intent_id=claim.intent).update(intent_customer=claim.customer)
    return (yield from _confirm(claim, gateway, clock))


def _ours(made: Reply, claim: Claim) -> Reply:
    """Unknown, where it answers somebody else's question: bound to it, two payments would have one PaymentIntent."""
    if isinstance(made, Seen) and made.intent.payment != str(claim.payment):
        return Unknown(why="integrity")
    return made


def _resolve(claim: Claim, gateway: Gateway, clock: Clock) -> Steps:
    seen = yield Call(Endpoint.RETRIEVE, gateway.retrieving(intent=claim.intent or ""))
    if isinstance(seen, Seen) and _is_not_proven(claim, seen):
        # From the top: it may have been interrupted before it knew the customer, or moved the intent there.
        yield from _charge(claim, gateway, clock)
    else:
        yield from _finish(claim, seen, gateway, clock)


def _is_not_proven(claim: Claim, seen: Seen) -> bool:
    if seen.intent.status == "requires_action":
        # Perhaps of an earlier attempt, whose customer has begun to confirm it, and not to the end.
        return claim.number > 1
    return seen.intent.status in NOT_PROVEN and not (claim.was_processing and seen.refusal)


def _confirm(claim: Claim, gateway: Gateway, clock: Clock) -> Steps:
    """Send the attempt's frozen request under its own key, for the first time or again."""
    sending = yield Send(attempt=claim.attempt, intent=claim.intent or "")
    if sending is None:
        return
    confirm = gateway.confirming(intent=claim.intent or "", request=sending.request, key=sending.key)
    answer = yield Call(Endpoint.CONFIRM, confirm)
    yield from _finish(claim, answer, gateway, clock)


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
        yield Settle(attempt=claim.attempt, answer=reply, task=claim.task)
