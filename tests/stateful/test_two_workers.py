"""Whatever two workers, a producer, staff, Stripe and the network do, in whatever order: the promises hold."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.desk import Desk
from tests.stateful.machine import Machine


@pytest.mark.timeout(3600)  # as long as the profile says
def test_no_order_of_events_breaks_a_promise(desk: Desk, profile: settings) -> None:
    """P1, P3, P4 after every step, and P5 at the end."""

    def begin() -> Any:
        return Machine(desk)

    make: Any = begin  # declared as a class, and only ever called
    run_state_machine_as_test(make, settings=profile)
