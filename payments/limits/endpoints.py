"""What is limited: Stripe's endpoints, each with a limit of its own, and who goes first to them."""

from dataclasses import dataclass
from enum import Enum


class Endpoint(Enum):
    """One of Stripe's endpoints as its limits count them: a method and a path, whatever the id in it."""

    CREATE = "create"  # POST /v1/payment_intents
    CONFIRM = "confirm"  # POST /v1/payment_intents/:id/confirm
    RETRIEVE = "retrieve"  # GET /v1/payment_intents/:id
    UPDATE = "update"  # POST /v1/payment_intents/:id
    CANCEL = "cancel"  # POST /v1/payment_intents/:id/cancel
    LIST = "list"  # GET /v1/payment_intents
    PAYMENT_METHOD = "payment_method"  # GET /v1/payment_methods/:id
    ACCOUNT = "account"  # GET /v1/account
    CHARGE_LIST = "charge_list"  # GET /v1/charges
    REFUND = "refund"  # POST /v1/refunds
    REFUND_RETRIEVE = "refund_retrieve"  # GET /v1/refunds/:id
    REFUND_LIST = "refund_list"  # GET /v1/refunds
    DISPUTE_RETRIEVE = "dispute_retrieve"  # GET /v1/disputes/:id
    DISPUTE_LIST = "dispute_list"  # GET /v1/disputes
    BALANCE_LIST = "balance_list"  # GET /v1/balance_transactions


class Priority(Enum):
    """Who goes first. Its value is the share of a bucket that must be left over for those above.

    A steady load of live calls at the full rate keeps the bucket below all these shares: the others wait then.
    """

    LIVE = 0.0  # somebody has just asked for it and waits
    UNKNOWN = 0.1  # an outcome that nobody knows: first of all that has been waiting
    LATE = 0.2  # asked for a while ago, and never tried
    REPLAY = 0.3  # failed before, tried again
    LOOK = 0.4  # failed: has Stripe changed its mind?
    RECONCILE = 0.6  # nobody waits for it


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The calls of one payment, each once: they are granted together or not at all."""

    calls: frozenset[Endpoint]
    priority: Priority


@dataclass(frozen=True, kw_only=True)
class Granted:
    """Which of the wishes may go, by their place in the order asked; and seconds until another one may."""

    places: tuple[int, ...]
    pause: float
