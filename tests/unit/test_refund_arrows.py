"""The state machine of a refund, pair by pair."""

from itertools import product

import pytest

from payments.models import Refund
from payments.refunds.arrows import REFUND_ARROWS, STATE_BY_STATUS, WAITING

ALLOWED = {
    "sending": {"unknown", "pending", "succeeded", "failed", "canceled", "rejected"},
    "unknown": {"pending", "succeeded", "failed", "canceled", "rejected"},
    "pending": {"succeeded", "failed", "canceled"},
    "succeeded": {"failed"},
}
STATES = [str(state) for state in Refund.State]


@pytest.mark.parametrize(("source", "target"), list(product(STATES, STATES)))
def test_every_pair_of_states_is_an_arrow_or_is_not(source: str, target: str) -> None:
    """Written down twice, so that none is added or lost by a slip of the pen."""
    assert (target in REFUND_ARROWS.get(source, ())) == (target in ALLOWED.get(source, ()))


def test_what_stripe_has_can_not_be_refused_any_more() -> None:
    """`rejected` says that Stripe never made it."""
    assert {source for source, targets in REFUND_ARROWS.items() if "rejected" in targets} == {"sending", "unknown"}


def test_nobody_goes_back_to_the_start() -> None:
    """Asking again is another refund."""
    assert not any("sending" in targets for targets in REFUND_ARROWS.values())


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("pending", "pending"),
        ("requires_action", "pending"),
        ("something_new", "pending"),
    ],
)
def test_every_word_of_stripes_is_a_state(status: str, state: str) -> None:
    """What we don't know is neither done nor refused: it is asked again."""
    assert STATE_BY_STATUS.get(status, WAITING) == state
