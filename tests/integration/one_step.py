"""The calls of one payment, carried out by the test itself: it looks at the rows before the next one, or puts an answer
of its own in the place of Stripe's.
"""

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Reply
from payments.charging.claim import Claim
from payments.charging.steps import Calls
from payments.gateway import CreateIntent, Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import restoring
from tests.stepping import steps

# For a PaymentIntent that is another payment's.
WISH = CreateIntent(payment="1", subscription="s", amount=100, currency="KZT", customer="")


def begin(gateway: Gateway, clock: Clock) -> tuple[Claim, Calls]:
    """A claim of the only payment there is, and its steps; a lease of before is over."""
    Payment.objects.update(lease_until=None, due_at=clock())
    [claim] = charging.claim(payment_ids=[Payment.objects.get().id], now=clock())
    return claim, steps(claim=claim, gateway=gateway, clock=clock)


def take_in(clock: Clock, **changes: str) -> Payment:
    """One accepted payment, with changes of its row."""
    accept(record(event(method=changes.pop("method", "pm_1")), at=clock()), now=clock())
    Payment.objects.update(**changes)
    return Payment.objects.get()


def go(its_steps: Calls, *, instead: dict[Endpoint, Reply] | None = None, until: Endpoint | None = None) -> list[str]:
    """Carry out one call after the other, up to one or to the end. Returns which were made."""
    made: list[str] = []
    answer: Reply | None = None
    while True:
        try:
            call = next(its_steps) if answer is None else its_steps.send(answer)
        except StopIteration:
            return made
        made.append(call.endpoint.name)
        if call.endpoint == until:
            return made
        given = (instead or {}).get(call.endpoint)
        answer = call() if given is None else given


def bound(stripe: Simulator, gateway: Gateway, clock: Clock, **changes: str) -> Payment:
    """A payment whose confirm has not left yet."""
    take_in(clock, **changes)
    go(begin(gateway, clock)[1], until=Endpoint.CONFIRM)
    with restoring():
        Attempt.objects.update(sent_at=None)
    return Payment.objects.get()
