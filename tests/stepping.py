"""The steps of one payment whose writes are carried out as they come: what is left is its calls."""

from datetime import datetime

from payments.answers import Intent
from payments.charging import writes
from payments.charging.claim import Claim
from payments.charging.steps import Call, Calls, Clock
from payments.charging.steps import steps as steps_with_writes
from payments.gateway import Gateway


def bind(*, claim: Claim, made: Intent, account: str, now: datetime) -> str | None:
    """What one of these steps writes, alone."""
    return writes.bind_all([writes.Bind(claim=claim, made=made, account=account)], now=now)[0]


def steps(*, claim: Claim, gateway: Gateway, clock: Clock) -> Calls:
    """As `charging.run` takes them where nobody else has anything to write at the same moment."""
    its_steps = steps_with_writes(claim=claim, gateway=gateway, clock=clock)
    brought: object = None
    try:
        while True:
            wish = its_steps.throw(brought) if isinstance(brought, Exception) else its_steps.send(brought)
            if isinstance(wish, Call):
                brought = yield wish
            else:
                [brought] = writes.carry_out([wish], now=clock())
    except StopIteration:
        return
    finally:
        its_steps.close()
