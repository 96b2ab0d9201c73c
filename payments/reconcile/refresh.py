"""One paid payment beside Stripe's books, because somebody asks: is it paid there, and what went back since?"""

from collections.abc import Callable
from datetime import datetime

from payments.gateway import Gateway
from payments.models import Payment, Reconciliation
from payments.reconcile.books import Books
from payments.reconcile.course import Course
from payments.reconcile.examine import examine_ours, note_refunds_of


def refresh(*, payment: Payment, gateway: Gateway, clock: Callable[[], datetime]) -> bool:
    """Note what Stripe says of a success. Returns whether the books agree; where not, there is a break.

    Raises `Interrupted` where Stripe gives no answer; what was noted until then stays.
    """
    books = Books(gateway=gateway, clock=clock)
    # Not a run over a window: nothing of it is kept but what it finds.
    course = Course(run=Reconciliation(), books=books, clock=clock, say=lambda _: None)
    agree = examine_ours(course, payment=payment)
    if agree:
        note_refunds_of(course, payment)
    return agree
