"""Stripe, and the only place that imports its SDK: every answer becomes one of a closed set.

Must never happen: an answer that proves nothing taken for one that proves something. Whatever is not listed
as proof is `Unknown`. The SDK's own retries are off: when and what to send again is `charging`'s decision.
Facts: Stripe's API reference for errors and idempotent requests; time-outs are ours.
"""

import functools
import http.cookiejar
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests
import stripe
from django.conf import settings

from payments.answers import Account, Answer, Declined, Intent, Misconfigured, Owner, Rejected, Seen, Unknown

# A card network answers within seconds or not at all; Stripe itself gives up later than this, and then the
# outcome is unknown and looked up. Sum is far below the lease.
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 25.0

# Kept connections; more calls at once than that still work, on connections of their own.
CONNECTIONS = 100

# How old a webhook's signature may be, in seconds: an overheard one is worth nothing afterwards. Stripe's default.
WEBHOOK_TOLERANCE = 300

# Ids and types of Stripe's events. Whatever else came could be too long, or hold what no column takes.
_NAME = re.compile(r"[\w.-]{1,255}", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CreateIntent:
    """What a PaymentIntent is made from."""

    payment: str
    subscription: str
    amount: int
    currency: str
    customer: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """A webhook that Stripe has signed. `content` is the body's JSON, of which nothing is known but `id` and `type`."""

    id: str
    type: str
    content: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A webhook that is not to be believed. `why`: no_secret, signature, too_old or not_an_event."""

    why: str


def verify(*, payload: bytes, header: str, secrets: Sequence[str]) -> Event | Refused:
    """Whether these very bytes were signed, and lately, with one of our secrets (two while one is replaced).

    An empty secret could be forged by anybody, so it verifies nothing, and neither does having none.
    """
    usable = [secret for secret in secrets if secret.strip()]
    if not usable:
        return Refused(why="no_secret")
    if not any(_is_signed(payload, header, secret, tolerance=WEBHOOK_TOLERANCE) for secret in usable):
        genuine = any(_is_signed(payload, header, secret, tolerance=None) for secret in usable)
        return Refused(why="too_old" if genuine else "signature")
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return Refused(why="not_an_event")
    match content:
        case {"id": str(id), "type": str(type)} if _NAME.fullmatch(id) and _NAME.fullmatch(type):
            return Event(id=id, type=type, content=content)
    return Refused(why="not_an_event")


class Gateway:
    """One Stripe account, seen through one key. Safe to share between threads."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._client = client
        self.account: str = ""
        """The id of the account that the key belongs to; empty until `ask_account` was answered."""

    def ask_account(self) -> Account | Answer:
        """Learn `account`; stays empty where the key may not read it."""
        answer = _ask(self._client.v1.accounts.retrieve_current, lambda account: Account(id=account.id))
        if isinstance(answer, Account):
            self.account = answer.id
        return answer

    def owner_of(self, *, payment_method: str) -> Owner | Answer:
        """Which customer a payment method is attached to; Stripe charges it for no other."""
        return _ask(lambda: self._client.v1.payment_methods.retrieve(payment_method), _owner)

    def create(self, *, wish: CreateIntent, key: str) -> Answer:
        """Make a PaymentIntent, unconfirmed: takes no money, and one too many is harmless."""
        params: Any = {
            "amount": wish.amount,
            "currency": wish.currency.lower(),
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"payment_id": wish.payment, "subscription_id": wish.subscription},
        }
        if wish.customer:
            params["customer"] = wish.customer
        return _ask(lambda: self._client.v1.payment_intents.create(params, {"idempotency_key": key}), _seen)

    def confirm(self, *, intent: str, request: Mapping[str, Any], key: str) -> Answer:
        """Charge: the only call that takes money. `request` and `key` are frozen in the attempt's row."""
        params: Any = dict(request)
        return _ask(
            lambda: self._client.v1.payment_intents.confirm(intent, params, {"idempotency_key": key}),
            _seen,
        )

    def set_customer(self, *, intent: str, customer: str) -> Answer:
        """Make a PaymentIntent that isn't paid one of this customer's, whose method shall pay it."""
        return _ask(lambda: self._client.v1.payment_intents.update(intent, {"customer": customer}), _seen)

    def probe(self) -> bool | Answer:
        """Whether Stripe takes our key: True, or the answer that says otherwise."""
        return _ask(lambda: self._client.v1.payment_intents.list({"limit": 1}), lambda _: True)

    def retrieve(self, *, intent: str) -> Answer:
        """The PaymentIntent as it is. By id, so it is authoritative."""
        return _ask(lambda: self._client.v1.payment_intents.retrieve(intent), _seen)

    def cancel(self, *, intent: str) -> Answer:
        """Make sure that nothing more can be taken with this PaymentIntent."""
        return _ask(lambda: self._client.v1.payment_intents.cancel(intent), _seen)


@functools.cache
def connect() -> Gateway:
    """The gateway of this process, with the key and address of the settings."""
    stripe.enable_telemetry = False  # it would write a file into the user's configuration folder
    return Gateway(
        stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses={"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else {},
            http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), session=_session()),
            max_network_retries=0,
        )
    )


def _is_signed(payload: bytes, header: str, secret: str, *, tolerance: int | None) -> bool:
    try:
        stripe.WebhookSignature.verify_header(payload, header, secret, tolerance)
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        # The last two: a body that is no text, and a header that is not ASCII.
        return False
    return True


def _session() -> requests.Session:
    """One pool of kept connections for all threads: a new TLS connection costs more CPU than the call itself."""
    session = requests.Session()
    session.trust_env = False  # reads proxies and .netrc anew for each call: 15–30 % of its time
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
    return session


def _ask(call: Callable[[], Any], read: Callable[[Any], T]) -> T | Answer:
    """Make one call and name its outcome. Raises nothing that depends on the answer."""
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
        return Unknown(why="unreadable_answer")


def _seen(answer: Any) -> Seen:
    return Seen(intent=_intent(answer), request=answer.last_response.request_id or "")


def _intent(intent: Any) -> Intent:
    return Intent(
        id=intent.id,
        status=intent.status,
        amount=intent.amount,
        currency=intent.currency.upper(),
        livemode=intent.livemode,
        payment=intent.metadata.to_dict().get("payment_id", ""),
        charge=_id(getattr(intent, "latest_charge", None)),
        created_at=datetime.fromtimestamp(intent.created, UTC),
    )


def _owner(payment_method: Any) -> Owner:
    return Owner(customer=_id(payment_method.customer))


def _declined(error: stripe.CardError) -> Declined | Unknown:
    """A 402 whose body can be read; the codes decide later what it means."""
    details = error.error
    if details is None or not error.code:
        return Unknown(why="unreadable_answer", http_status=402, request=error.request_id or "")
    if getattr(details, "decline_code", None) == "duplicate_transaction":
        # The bank has seen this charge before: perhaps an earlier one went through.
        return Unknown(why="duplicate_transaction", http_status=402, request=error.request_id or "")
    intent = getattr(details, "payment_intent", None)
    return Declined(
        code=error.code,
        decline_code=getattr(details, "decline_code", None) or "",
        advice_code=getattr(details, "advice_code", None) or "",
        network_advice_code=getattr(details, "network_advice_code", None) or "",
        network_decline_code=getattr(details, "network_decline_code", None) or "",
        charge=_id(getattr(details, "charge", None)),
        card=_fingerprint(getattr(details, "payment_method", None)),
        intent=_intent(intent) if intent else None,
        request=error.request_id or "",
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
        request=error.request_id or "",
    )


def _code(error: stripe.StripeError) -> str:
    """`error.code` is filled on some classes only; `error.error` may be None."""
    return error.code or getattr(error.error, "code", None) or ""


def _fingerprint(payment_method: Any) -> str:
    return getattr(getattr(payment_method, "card", None), "fingerprint", None) or ""


def _id(value: Any) -> str:
    """An id, whether Stripe expanded the object or not; empty for none."""
    return value if isinstance(value, str) else getattr(value, "id", "") or ""
