"""One look at Stripe for whoever asks whether all is well: what our key may do, and what time it is there.

Nothing is made or changed: where a right to change something is asked for, it is about an id that nothing has.
Stripe looks at the key before it looks for the id, so a 400 or 404 says that the key is allowed to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import stripe

from payments.answers import Misconfigured, Unknown
from payments.counters import StripeEndpoint
from payments.gateway.account import WITH_CHARGE, make_client
from payments.gateway.reading import ask

# Who waits is a person, and what doesn't answer now is named as such.
PATIENCE = (2.0, 5.0)
NOBODYS_INTENT, NOBODYS_METHOD = "pi_doctor_asks_whether_it_may", "pm_doctor_asks_whether_it_may"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """`trouble`: Stripe gave no answer, or takes no key like ours; then nothing else is known. `missing`: the rights
    that our key lacks, in Stripe's words. `clock`: Stripe's, in whole seconds."""

    trouble: Misconfigured | Unknown | None
    missing: tuple[str, ...] = ()
    account: str = ""
    clock: datetime | None = None


def look_at_key() -> Condition:
    """Ask one question for each right that we need. Never raises."""
    client = make_client(timeout=PATIENCE)
    missing: list[str] = []
    clock: datetime | None = None
    for right, (endpoint, question) in _questions(client).items():
        answer = ask(endpoint, question, _date_of)
        match answer:
            case datetime():
                clock = clock or answer
            case Misconfigured(http_status=403):
                missing.append(right)
            case Misconfigured() | Unknown():
                return Condition(trouble=answer)
    account = ask("account", client.v1.accounts.retrieve_current, lambda found: str(found.id))
    return Condition(
        trouble=None, missing=tuple(missing), clock=clock, account=account if isinstance(account, str) else ""
    )


def _questions(client: stripe.StripeClient) -> dict[str, tuple[StripeEndpoint, Callable[[], Any]]]:
    """By the name of the right in Stripe's dashboard. What only statements need comes last."""
    some: Any = {"limit": 1}
    with_charges: Any = some | {"expand": [f"data.{WITH_CHARGE}"]}
    of_nobody: Any = {"payment_intent": NOBODYS_INTENT, "amount": 1}
    api = client.v1
    return {
        "read PaymentIntents": ("list", lambda: api.payment_intents.list(some)),
        "read Charges": ("charge_list", lambda: api.charges.list(some)),
        "read PaymentIntents with their charges": ("list", lambda: api.payment_intents.list(with_charges)),
        "write PaymentIntents": ("cancel", lambda: api.payment_intents.cancel(NOBODYS_INTENT)),
        "read PaymentMethods": ("payment_method", lambda: api.payment_methods.retrieve(NOBODYS_METHOD)),
        "read Refunds": ("refund_list", lambda: api.refunds.list(some)),
        "write Refunds": ("refund", lambda: api.refunds.create(of_nobody)),
        "read Disputes": ("dispute_list", lambda: api.disputes.list(some)),
        "read Balance transactions": ("balance_list", lambda: api.balance_transactions.list(some)),
    }


def _date_of(answer: Any) -> datetime:
    return parsedate_to_datetime(answer.last_response.headers["Date"])
