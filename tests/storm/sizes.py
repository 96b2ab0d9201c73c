"""How much of a storm: all of it (`make storm`, `make rolling`), or a small one that `make test` has time for."""

import os
from dataclasses import dataclass

from tests.e2e.deployment import LEASE


@dataclass(frozen=True, kw_only=True)
class Size:
    """`strikes`: how often each bridge is stopped or killed. `restarts`: how often each service is.

    `replicas`: how many of each process a rolling restart replaces. `leases`: after so many seconds the lease of an
    answer that was lost is cut; Stripe's two calls take 28 at most.
    """

    bridges: int
    partitions: int
    records: int
    strikes: int
    restarts: int
    replicas: int
    leases: int


FULL = os.environ.get("STORM_SIZE") == "full"
SIZE = (
    Size(bridges=8, partitions=32, records=100_000, strikes=16, restarts=5, replicas=2, leases=LEASE)
    if FULL
    else Size(bridges=3, partitions=8, records=3_000, strikes=2, restarts=1, replicas=1, leases=30)
)
