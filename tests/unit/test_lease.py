"""What the tests that cut leases short take for one."""

from payments.charging.claim import LEASE
from tests.e2e import deployment


def test_a_lease_is_as_long_as_the_tests_say() -> None:
    """Or they would cut it at another place than they mean."""
    assert LEASE.total_seconds() == deployment.LEASE
