"""A look at Kafka before each session: what is wrong is said once, and what can't work ends the process.

Before each, and not only before the first: a password that was changed under a running process looks to Kafka's
client like a Kafka that doesn't answer.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from bridge.kafka import Finding, KafkaAway, KafkaRefuses, Process, check
from bridge.loop import Stop

log = structlog.get_logger(__name__)


def checked(*, process: Process, session: Callable[[Stop], None]) -> Callable[[Stop], None]:
    """The session, after a check. It raises `KafkaAway` where something may still come, else `KafkaRefuses`."""
    told: set[Finding] = set()

    def run(stop: Stop) -> None:
        found = check(processes=frozenset({process}), now=datetime.now(UTC))
        if errors := [finding.line for finding in found if finding.level == "error"]:
            raise KafkaRefuses("; ".join(errors))
        if missing := [finding.line for finding in found if finding.level == "missing"]:
            raise KafkaAway("; ".join(missing))
        _tell([finding for finding in found if finding not in told])
        told.update(found)
        session(stop)

    return run


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        say = log.warning if finding.level == "warning" else log.info
        say("kafka checked", why=f"{finding.subject} {finding.text}", fix=finding.fix)
