"""One Stripe account, seen through one key: the calls that we make, and nothing else."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import stripe
from django.conf import settings

from payments.answers import (
    Account,
    Answer,
    Charge,
    DisputeSeen,
    ListedIntent,
    Owner,
    Page,
    RefundSeen,
    Seen,
    StripeDispute,
    StripeLine,
    StripeRefund,
)
from payments.counters import StripeEndpoint
from payments.gateway import balance, listing
from payments.gateway.http import PooledClient
from payments.gateway.listing import Part
from payments.gateway.question import Question
from payments.gateway.reading import ask, dispute_seen, read_answer, read_owner, refund_seen

# A card network answers within seconds or not at all; Stripe itself gives up later than this, and then the
# outcome is unknown and looked up. Sum is far below the lease.
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 25.0

# What tells the card's last four digits; the charge itself comes along with the same answer.
WITH_CHARGE: Literal["latest_charge"] = "latest_charge"

# Kept connections, and as many payments of a process may be at Stripe at once: what one interpreter has time for, also
# where some answers take two seconds.
CONNECTIONS = 400


@dataclass(frozen=True, kw_only=True)
class CreateIntent:
    """What a PaymentIntent is made from."""

    payment: str
    subscription: str
    amount: int
    currency: str
    customer: str
    traceparent: str = ""


class Gateway:
    """One Stripe account, seen through one key. Safe to share between threads."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._client = client
        self.account: str = ""
        """The id of the account that the key belongs to; empty until `ask_account` was answered."""

    def ask_account(self) -> Account | Answer:
        """Learn `account`; stays empty where the key may not read it."""
        answer = ask("account", self._client.v1.accounts.retrieve_current, lambda account: Account(id=account.id))
        if isinstance(answer, Account):
            self.account = answer.id
        return answer

    def owner_of(self, *, payment_method: str) -> Owner | Answer:
        """Which customer a payment method is attached to; Stripe charges it for no other."""
        return self.asking_owner(payment_method=payment_method)()

    def asking_owner(self, *, payment_method: str) -> Question[Owner]:
        """The call of `owner_of`, not made yet."""
        path = f"/v1/payment_methods/{quote(payment_method, safe='')}"
        return Question(
            client=self._client, endpoint="payment_method", method="get", path=path, params={}, read=read_owner
        )

    def create(self, *, wish: CreateIntent, key: str) -> Answer:
        """Make a PaymentIntent, unconfirmed: takes no money, and one too many is harmless."""
        return self.creating(wish=wish, key=key)()

    def creating(self, *, wish: CreateIntent, key: str) -> Question[Seen]:
        """The call of `create`, not made yet."""
        params: dict[str, Any] = {
            "amount": wish.amount,
            "currency": wish.currency.lower(),
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"payment_id": wish.payment, "subscription_id": wish.subscription},
        }
        if wish.traceparent:
            params["metadata"]["traceparent"] = wish.traceparent
        if wish.customer:
            params["customer"] = wish.customer
        return self._about_intent("create", "post", "", params | {"idempotency_key": key})

    def confirm(self, *, intent: str, request: Mapping[str, Any], key: str) -> Answer:
        """Charge: the only call that takes money. `request` and `key` are frozen in the attempt's row."""
        return self.confirming(intent=intent, request=request, key=key)()

    def confirming(self, *, intent: str, request: Mapping[str, Any], key: str) -> Question[Seen]:
        """The call of `confirm`, not made yet."""
        return self._about_intent(
            "confirm", "post", f"/{quote(intent, safe='')}/confirm", {**request, "idempotency_key": key}
        )

    def set_customer(self, *, intent: str, customer: str) -> Answer:
        """Make a PaymentIntent that isn't paid one of this customer's, whose method shall pay it."""
        return self._about_intent("update", "post", f"/{quote(intent, safe='')}", {"customer": customer})()

    def probe(self) -> bool | Answer:
        """Whether Stripe takes our key: True, or the answer that says otherwise."""
        return ask("list", lambda: self._client.v1.payment_intents.list({"limit": 1}), lambda _: True)

    def retrieve(self, *, intent: str) -> Answer:
        """The PaymentIntent as it is, with the card of its last charge. By id, so it is authoritative."""
        return self.retrieving(intent=intent)()

    def retrieving(self, *, intent: str) -> Question[Seen]:
        """The call of `retrieve`, not made yet."""
        return self._about_intent("retrieve", "get", f"/{quote(intent, safe='')}", {"expand": [WITH_CHARGE]})

    def cancel(self, *, intent: str, reason: Literal["", "abandoned"] = "") -> Answer:
        """Make sure that nothing more can be taken with this PaymentIntent. `reason` is kept there."""
        params = {"cancellation_reason": reason} if reason else {}
        return self._about_intent("cancel", "post", f"/{quote(intent, safe='')}/cancel", params)()

    def _about_intent(
        self, endpoint: StripeEndpoint, method: Literal["get", "post"], path: str, params: Mapping[str, Any]
    ) -> Question[Seen]:
        return Question(
            client=self._client, endpoint=endpoint, method=method, path=f"/v1/payment_intents{path}", params=params,
            read=read_answer,
        )  # fmt: skip

    def list_charges(self, *, part: Part) -> Page[Charge] | Answer:
        """Charges, failed ones too, that were made in a window of time."""
        return ask("charge_list", lambda: self._client.v1.charges.list(listing.window(part)), listing.charges)

    def charges_of(self, *, intent: str) -> Page[Charge] | Answer:
        """The newest charges of one PaymentIntent; of them at most one has succeeded, and no later one can be."""
        params: Any = {"payment_intent": intent, "limit": listing.LARGEST_PAGE}
        return ask("charge_list", lambda: self._client.v1.charges.list(params), listing.charges)

    def list_intents(self, *, part: Part) -> Page[ListedIntent] | Answer:
        """PaymentIntents that were made in a window of time."""
        return ask("list", lambda: self._client.v1.payment_intents.list(listing.window(part)), listing.intents)

    def list_refunds_made(self, *, part: Part) -> Page[StripeRefund] | Answer:
        """Refunds, whoever asked for them, that were made in a window of time."""
        return ask("refund_list", lambda: self._client.v1.refunds.list(listing.window(part)), listing.refunds)

    def list_disputes(self, *, part: Part) -> Page[StripeDispute] | Answer:
        """Disputes that began in a window of time."""
        return ask("dispute_list", lambda: self._client.v1.disputes.list(listing.window(part)), listing.disputes)

    def list_balance(self, *, part: Part) -> Page[StripeLine] | Answer:
        """What came to the balance and left it in a window of time, with what it is about."""
        part_of_it = balance.window_of_balance(part)
        return ask("balance_list", lambda: self._client.v1.balance_transactions.list(part_of_it), balance.lines)

    def balance_of(self, *, source: str) -> Page[StripeLine] | Answer:
        """What one charge, refund or dispute has moved, whenever that was."""
        about = balance.of_source(source)
        return ask("balance_list", lambda: self._client.v1.balance_transactions.list(about), balance.lines)

    def inspect(self, *, intent: str) -> ListedIntent | Answer:
        """One PaymentIntent with its past."""
        return ask("retrieve", lambda: self._client.v1.payment_intents.retrieve(intent), listing.intent)

    def refund(self, *, intent: str, amount: int, metadata: Mapping[str, str], key: str) -> RefundSeen | Answer:
        """Give back `amount` minor units of what this PaymentIntent has taken."""
        params: Any = {"payment_intent": intent, "amount": amount, "metadata": dict(metadata)}
        return ask("refund", lambda: self._client.v1.refunds.create(params, {"idempotency_key": key}), refund_seen)

    def retrieve_refund(self, *, refund: str) -> RefundSeen | Answer:
        """The refund as it is. By id, so it is authoritative."""
        return ask("refund_retrieve", lambda: self._client.v1.refunds.retrieve(refund), refund_seen)

    def list_refunds(self, *, intent: str, after: str = "") -> Page[StripeRefund] | Answer:
        """A page of one PaymentIntent's refunds: those older than the refund `after`."""
        params: Any = {"payment_intent": intent, "limit": listing.LARGEST_PAGE}
        if after:
            params["starting_after"] = after
        return ask("refund_list", lambda: self._client.v1.refunds.list(params), listing.refunds)

    def retrieve_dispute(self, *, dispute: str) -> DisputeSeen | Answer:
        """The dispute as it is."""
        return ask("dispute_retrieve", lambda: self._client.v1.disputes.retrieve(dispute), dispute_seen)


@functools.cache
def connect() -> Gateway:
    """The gateway of this process, with the key and address of the settings."""
    return Gateway(make_client(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)))


def make_client(*, timeout: tuple[float, float]) -> stripe.StripeClient:
    """The SDK as we use it, with the key and address of the settings. `timeout`: seconds to connect and to read."""
    stripe.enable_telemetry = False  # it would write a file into the user's configuration folder
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        base_addresses={"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else {},
        http_client=PooledClient(timeout=timeout, connections=CONNECTIONS),
        max_network_retries=0,
    )
