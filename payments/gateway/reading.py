"""From the SDK's objects and errors to `answers`: what each one proves, and no more."""

import asyncio
import functools
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeVar

import stripe

from payments import counters
from payments.answers import (
    Answer,
    CardFace,
    Declined,
    DisputeSeen,
    Intent,
    Misconfigured,
    Owner,
    RefundSeen,
    Rejected,
    Seen,
    StripeDispute,
    StripeRefund,
    Unknown,
)
from payments.counters import StripeAnswer, StripeEndpoint

T = TypeVar("T")

UNREADABLE = "unreadable_answer"
# A 429 about one object that somebody else is changing just now; it says nothing of our pace.
LOCK_TIMEOUT = "lock_timeout"


def ask(endpoint: StripeEndpoint, call: Callable[[], Any], read: Callable[[Any], T]) -> T | Answer:
    """Make one call, name its outcome and count it. Raises nothing that depends on the answer."""
    began = time.monotonic()
    reply = _ask(call, read)
    counters.count_answer(endpoint=endpoint, answer=_counted_as(reply), seconds=time.monotonic() - began)
    return reply


async def ask_later(endpoint: StripeEndpoint, call: Awaitable[Any], read: Callable[[Any], T]) -> T | Answer:
    """As `ask`, on an event loop."""
    began = time.monotonic()
    try:
        brought = functools.partial(_give, await call)
    except asyncio.CancelledError:
        # Given up: nobody waits for it any longer.
        counters.count_answer(endpoint=endpoint, answer="no_answer", seconds=time.monotonic() - began)
        raise
    except Exception as error:  # noqa: BLE001 - told apart as those of `ask` are
        brought = functools.partial(_raise, error)
    reply = _ask(brought, read)
    counters.count_answer(endpoint=endpoint, answer=_counted_as(reply), seconds=time.monotonic() - began)
    return reply


def _give(response: Any) -> Any:
    return response


def _raise(error: Exception) -> Any:
    raise error


def _counted_as(reply: object) -> StripeAnswer:
    match reply:
        case Declined():
            return "declined"
        case Rejected():
            return "rejected"
        case Misconfigured():
            return "key_refused"
        case Unknown(why=why, http_status=status) if why == UNREADABLE or (status is not None and status < 400):
            return "unreadable"
        case Unknown(http_status=None):
            return "no_answer"
        case Unknown(http_status=429, why=why) if why != LOCK_TIMEOUT:
            return "too_many"
        case Unknown(http_status=int(status)):
            return "server_error" if status >= 500 else "conflict"
    return "answered"


def _ask(call: Callable[[], Any], read: Callable[[Any], T]) -> T | Answer:
    try:
        return read(call())
    except stripe.CardError as error:
        return _declined(error)
    except stripe.InvalidRequestError as error:
        return _rejected(error)
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        return Misconfigured(http_status=error.http_status or 401, code=_code(error), request=error.request_id or "")
    except stripe.APIConnectionError:
        return Unknown(why="no_answer")
    except stripe.StripeError as error:
        return _unknown(error)
    except (AttributeError, KeyError, TypeError, ValueError):
        # Answered, but with a body that isn't what was asked for: the SDK, or `read`, stumbled over it.
        return Unknown(why=UNREADABLE)


def read_answer(response: stripe.StripeResponse) -> Seen:
    """Of a call that answers with a PaymentIntent, by the same names as the SDK's object of it has."""
    return seen(json.loads(response.body, object_hook=_named), request=response.request_id or "")


def _named(values: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**values)


def seen(answer: Any, *, request: str) -> Seen:
    intent = read_intent(answer)
    last = getattr(answer, "last_payment_error", None)
    refusal = read_refusal(last, intent=intent, request=request) if last and getattr(last, "code", None) else None
    return Seen(intent=intent, refusal=refusal, request=request)


def read_intent(intent: Any) -> Intent:
    return Intent(
        id=intent.id,
        status=intent.status,
        amount=intent.amount,
        currency=intent.currency.upper(),
        livemode=intent.livemode,
        payment=_values(intent.metadata).get("payment_id", ""),
        charge=read_id(getattr(intent, "latest_charge", None)),
        created_at=datetime.fromtimestamp(intent.created, UTC),
        # A charge that wasn't expanded is its id, and tells nothing.
        face=read_face(getattr(getattr(intent, "latest_charge", None), "payment_method_details", None)),
    )


def _values(metadata: Any) -> dict[str, Any]:
    return vars(metadata) if isinstance(metadata, SimpleNamespace) else metadata.to_dict()


def read_owner(response: stripe.StripeResponse) -> Owner:
    """Of a call that answers with a payment method."""
    return Owner(customer=read_id(json.loads(response.body, object_hook=_named).customer))


def refund_seen(answer: Any) -> RefundSeen:
    return RefundSeen(refund=read_refund(answer), request=answer.last_response.request_id or "")


def read_refund(refund: Any) -> StripeRefund:
    metadata = refund.metadata.to_dict() if refund.metadata else {}
    return StripeRefund(
        id=refund.id,
        status=refund.status or "pending",
        amount=refund.amount,
        currency=refund.currency.upper(),
        intent=read_id(refund.payment_intent),
        wish=metadata.get("refund_id", ""),
        payment=metadata.get("payment_id", ""),
        failure=getattr(refund, "failure_reason", None) or "",
        created_at=datetime.fromtimestamp(refund.created, UTC),
    )


def dispute_seen(answer: Any) -> DisputeSeen:
    return DisputeSeen(dispute=read_dispute(answer))


def read_dispute(dispute: Any) -> StripeDispute:
    due_by = dispute.evidence_details.due_by
    return StripeDispute(
        id=dispute.id,
        status=dispute.status,
        reason=dispute.reason,
        amount=dispute.amount,
        currency=dispute.currency.upper(),
        intent=read_id(dispute.payment_intent),
        charge=read_id(dispute.charge),
        respond_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
        created_at=datetime.fromtimestamp(dispute.created, UTC),
    )


def _declined(error: stripe.CardError) -> Declined | Unknown:
    """A 402 whose body can be read; the codes decide later what it means."""
    details = error.error
    if details is None or not error.code:
        return Unknown(why=UNREADABLE, http_status=402, request=error.request_id or "")
    intent = getattr(details, "payment_intent", None)
    refusal = read_refusal(details, intent=read_intent(intent) if intent else None, request=error.request_id or "")
    if refusal is None:
        return Unknown(why="duplicate_transaction", http_status=402, request=error.request_id or "")
    return refusal


def read_refusal(details: Any, *, intent: Intent | None, request: str) -> Declined | None:
    """What Stripe says of a declined charge. None: the bank has seen this charge before, so that perhaps an earlier
    one went through."""
    if getattr(details, "decline_code", None) == "duplicate_transaction":
        return None
    return Declined(
        code=details.code,
        decline_code=getattr(details, "decline_code", None) or "",
        advice_code=getattr(details, "advice_code", None) or "",
        network_advice_code=getattr(details, "network_advice_code", None) or "",
        network_decline_code=getattr(details, "network_decline_code", None) or "",
        charge=read_id(getattr(details, "charge", None)),
        card=read_fingerprint(getattr(details, "payment_method", None)),
        face=read_face(getattr(details, "payment_method", None)),
        intent=intent,
        request=request,
    )


def _rejected(error: stripe.InvalidRequestError) -> Rejected:
    return Rejected(
        code=_code(error) or "invalid_request",
        param=error.param or "",
        missing=error.http_status == 404,
        unexpected_state=_code(error) == "payment_intent_unexpected_state",
        request=error.request_id or "",
    )


def _unknown(error: stripe.StripeError) -> Unknown:
    status = error.http_status
    key_clash = isinstance(error, stripe.IdempotencyError) and status == 400
    return Unknown(
        why=_code(error) or type(error).__name__,
        http_status=status,
        # A stored 5xx is replayed for as long as the key lives; a clash means that the key holds another request.
        key_is_spent=key_clash or (status is not None and status >= 500),
        replayed=_is_replayed(error),
        request=error.request_id or "",
    )


def _is_replayed(error: stripe.StripeError) -> bool:
    """Whether this is the answer that Stripe has stored under the key."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def _code(error: stripe.StripeError) -> str:
    """`error.code` is filled on some classes only; `error.error` may be None."""
    return error.code or getattr(error.error, "code", None) or ""


def read_fingerprint(payment_method: Any) -> str:
    return getattr(getattr(payment_method, "card", None), "fingerprint", None) or ""


def read_face(holder: Any) -> CardFace:
    """Of a payment method, or of a charge's details of one: both keep the card in the same place."""
    card = getattr(holder, "card", None)
    return CardFace(brand=getattr(card, "brand", None) or "", last4=getattr(card, "last4", None) or "")


def read_id(value: Any) -> str:
    """An id, whether Stripe expanded the object or not; empty for none."""
    return value if isinstance(value, str) else getattr(value, "id", "") or ""
