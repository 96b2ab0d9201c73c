"""What staff do in a random history: replay, close, re-issue, pause and resume, at any time and in any order."""

import random
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.loop import DATABASE_ERRORS
from payments import charging
from payments.models import Pause
from tests.proof import rows

if TYPE_CHECKING:
    from tests.proof.crowd import Crowd

WHO = "staff"


class Staff:
    """People who press buttons. `closed`: subscriptions of which they wanted a payment closed."""

    def __init__(self, world: "Crowd", dice: random.Random) -> None:
        self._world, self._dice = world, dice
        self.closed: set[str] = set()

    def act(self) -> None:
        """Something with any payment, whether or not it makes sense; whoever gets an error leaves it at that."""
        payments = rows.find_payments()
        if not payments:
            return
        payment = self._dice.choice(payments)
        what = self._dice.choice(("replay", "replay", "close", "reissue"))
        self._world.note("staff: " + what, f"{payment.subscription_id}/{payment.number}")
        now = self._world.clock()
        with suppress(*DATABASE_ERRORS):
            match what:
                case "replay":
                    charging.replay(payment_id=payment.id, who=WHO, reason="again", now=now)
                case "close":
                    self.closed.add(payment.subscription_id)
                    charging.close(payment_id=payment.id, who=WHO, reason="off", gateway=self._world.gateway, now=now)
                case "reissue":
                    charging.reissue(payment_id=payment.id, who=WHO, reason="anew", now=now)

    def pause_or_resume(self) -> None:
        """Charging stands still for a while."""
        self._world.note("staff: pause or resume")
        now = self._world.clock()
        with suppress(*DATABASE_ERRORS):
            if not charging.resume(cause=Pause.Cause.STAFF, who=WHO, now=now):
                charging.pause(cause=Pause.Cause.STAFF, reason="for a while", who=WHO, now=now)

    def end(self) -> None:
        """What staff have paused they resume."""
        with suppress(*DATABASE_ERRORS):
            charging.resume(cause=Pause.Cause.STAFF, who=WHO, now=self._world.clock())
