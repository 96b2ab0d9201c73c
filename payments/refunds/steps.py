"""The steps of one refund at Stripe, as a generator: it yields calls and is sent their answers.

Never twice rests on this order: mark (commit) → send → settle; and whenever a send may have left before: list the
PaymentIntent's refunds first, as Stripe's list knows what it has made. What the list shows is noted, all of it.
"""

import functools
import uuid
from collections.abc import Generator
from dataclasses import replace

from payments.answers import Declined, Misconfigured, Page, Rejected, Reply, StripeRefund
from payments.charging.steps import Call, Calls, Clock
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Payment, Refund
from payments.refunds.claim import Claim, mark_sent
from payments.refunds.settle import note_refund, settle


def steps(*, claim: Claim, gateway: Gateway, clock: Clock) -> Calls:
    """All that one claim needs to be settled, or to be known as unknown."""
    if claim.taken:
        answer = yield Call(Endpoint.REFUND_RETRIEVE, lambda: gateway.retrieve_refund(refund=claim.taken or ""))
        yield from _finish(claim.refund, answer, gateway, clock)
    elif not claim.in_doubt or (yield from _is_missing(claim, gateway, clock)):
        yield from _send(claim, gateway, clock)


def _send(claim: Claim, gateway: Gateway, clock: Clock) -> Calls:
    """Send the same bytes under the key in the row, for the first time or again."""
    sending = mark_sent(refund_id=claim.refund, now=clock())
    if sending is None:
        return
    metadata = {"refund_id": str(claim.refund), "payment_id": str(claim.payment)}
    call = functools.partial(
        gateway.refund, intent=claim.intent, amount=claim.amount, metadata=metadata, key=sending.key
    )
    answer = yield Call(Endpoint.REFUND, call)
    refused = isinstance(answer, Rejected | Declined)
    # A refusal proves nothing about an earlier send, which may be the very reason for it.
    if refused and sending.earlier and not (yield from _is_missing(claim, gateway, clock)):
        return
    yield from _finish(claim.refund, answer, gateway, clock, in_doubt=sending.earlier)
    if refused and not sending.earlier:
        # Somebody may have refunded it in Stripe's dashboard: better known at once.
        yield from _is_missing(claim, gateway, clock)


def _is_missing(claim: Claim, gateway: Gateway, clock: Clock) -> Generator[Call, Reply, bool]:
    """Ask for all of the PaymentIntent's refunds, and note them. True: ours is not among them.

    False: it was, or there was no answer; either is settled.
    """
    payment = Payment.objects.get(id=claim.payment)
    listed = yield from list_all(intent=claim.intent, gateway=gateway)
    if not isinstance(listed, list):
        yield from _finish(claim.refund, listed, gateway, clock)
        return False
    for seen in listed:
        note_refund(payment=payment, seen=seen, now=clock())
    return Refund.objects.filter(id=claim.refund, refund_id__isnull=True).exists()


def list_all(*, intent: str, gateway: Gateway) -> Generator[Call, Reply, list[StripeRefund] | Reply]:
    """All pages of a PaymentIntent's refunds; or the answer that came instead of one."""
    found: list[StripeRefund] = []
    after = ""
    while True:
        page = yield Call(Endpoint.REFUND_LIST, functools.partial(gateway.list_refunds, intent=intent, after=after))
        if not isinstance(page, Page):
            return page
        found += page.items
        after = page.last
        if not after:
            return found


def _finish(refund_id: uuid.UUID, reply: Reply, gateway: Gateway, clock: Clock, *, in_doubt: bool = True) -> Calls:
    """Settle what the last call said; before our key is blamed for everyone, ask whether it is everyone's trouble."""
    if isinstance(reply, Misconfigured) and reply.http_status == 403:
        probed = yield Call(Endpoint.LIST, gateway.probe)
        reply = replace(reply, everyones=isinstance(probed, Misconfigured))
    settle(refund_id=refund_id, answer=reply, now=clock(), in_doubt=in_doubt)
