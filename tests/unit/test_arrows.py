"""The state machine of an attempt, as a table: nothing in it that the database doesn't know, and nothing missing."""

from collections.abc import Iterator

from payments.charging.arrows import ARROWS
from payments.models import Attempt

STATES = {state.value for state in Attempt.State}
# Begun by a claim, and refused before anything was sent: no answer of Stripe's leads there.
BEFORE_STRIPE = {"sending", "refused"}
FINAL = {"succeeded", "declined", "rejected", "refused", "superseded"}


def pairs() -> Iterator[tuple[str, str]]:
    """Every arrow."""
    return ((source, target) for source, targets in ARROWS.items() for target in targets)


def test_the_arrows_speak_of_the_states_of_attempts_and_of_all_of_them() -> None:
    """A state that is added must be given its arrows, or be left out here on purpose."""
    named = set(ARROWS).union(*ARROWS.values())
    assert named == STATES - {"refused"}
    assert STATES - set(ARROWS) == FINAL


def test_a_final_state_has_no_arrow() -> None:
    """Whatever is proven stays proven: a late answer changes nothing."""
    assert not FINAL & set(ARROWS)


def test_nobody_goes_back_to_the_start() -> None:
    """An attempt is sent once; trying again is another attempt."""
    assert not BEFORE_STRIPE & {target for _, target in pairs()}


def test_every_open_attempt_can_still_become_anything() -> None:
    """As long as nobody knows how it ends, every proof is welcome, and `unknown` is a place to wait."""
    assert {str(state) for state in Attempt.OPEN} == {"sending", "unknown", "processing"}
    for state in Attempt.OPEN:
        assert ARROWS[state] == STATES - BEFORE_STRIPE


def test_a_customer_who_must_act_can_only_pay_or_be_overtaken() -> None:
    """Nothing was taken, and no decline can come of waiting."""
    assert ARROWS["action_required"] == {"succeeded", "superseded"}


def test_from_everywhere_the_truth_can_still_come_out() -> None:
    """A success that Stripe reports late is recorded from each state that has arrows at all."""
    assert all("succeeded" in targets for targets in ARROWS.values())
