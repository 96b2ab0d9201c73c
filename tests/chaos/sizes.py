"""How much is sent, and how often each kind of thing is broken: `make chaos`, `SIZE=full`, and `SIZE=soak`."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Size:
    """`rate`: payments a second. `faults`: how many of each kind, `together` at once at most. `replicas`: of a kind.

    `session_ms`: after so long Kafka misses a bridge that was killed; its own default is 45 s.
    """

    name: str
    payments: int
    rate: float
    faults: dict[str, int]
    together: int
    replicas: int = 1
    session_ms: int = 45_000


NAME = os.environ.get("CHAOS_SIZE", "small")
SEED = int(os.environ.get("CHAOS_SEED", "1"))
MINUTES = int(os.environ.get("SOAK_MINUTES", "60"))
SIZES = {
    "small": Size(
        name="small",
        payments=1_200,
        rate=10.0,
        faults={
            "kill": 5,
            "end": 5,
            "freeze": 5,
            "redis": 4,
            "postgres": 6,
            "kafka": 2,
            "network": 6,
            "stripe": 6,
            "clock": 3,
            "deploy": 1,
            "failover": 1,
        },
        together=4,
        session_ms=10_000,
    ),
    "full": Size(
        name="full",
        payments=50_000,
        rate=25.0,
        faults={
            "kill": 300,
            "end": 40,
            "freeze": 40,
            "redis": 40,
            "postgres": 60,
            "kafka": 20,
            "network": 160,
            "stripe": 60,
            "clock": 20,
            "deploy": 10,
            "failover": 5,
        },
        together=6,
        replicas=2,
    ),
    # Nothing is broken, and nothing may grow.
    "soak": Size(name="soak", payments=25 * 60 * MINUTES, rate=25.0, faults={}, together=1),
}
SIZE = SIZES[NAME]
