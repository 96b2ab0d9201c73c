"""A short scenario: real processes, some without a guard, a few good events, and the audit of what came of them."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.chaos.load import probe
from tests.chaos.seen import Seen, looking_at
from tests.e2e.deployment import CELERY, COMMANDS, PYTHON, Deployment
from tests.proof.audit import audit_at_rest

# Where nothing moves for so long, it never will.
REST = 12.0
EVENTS = 5
# For so long an answer of Stripe's is on its way: less than a call waits for it.
HELD = 10.0
# What each kind of process logs when it is at work.
AT_WORK = {"bridge": "partitions assigned", "worker": " ready.", "beat": "beat: Starting", "relay": "relay active"}
UNDER_WAY = """
    SELECT (SELECT count(*) FROM payments_inboxmessage),
        (SELECT count(*) FROM payments_payment WHERE status = 'pending'),
        (SELECT count(*) FROM payments_outboxmessage WHERE published_at IS NULL)
"""


class Scene:
    """Processes without some guards, a few good events, and the audit of what came of them."""

    def __init__(self, deployment: Deployment, blocker: Any) -> None:
        self.deployment, self._blocker = deployment, blocker

    def take_away(self, *guards: str) -> None:
        """From every process that is started from now on."""
        without = [PYTHON, "-m", "tests.chaos.without", ",".join(guards) or "nothing"]
        for name, command in COMMANDS.items():
            arguments = command[len(CELERY) - 3 :] if command[: len(CELERY)] == CELERY else command[1:]
            self.deployment.commands[name] = [*without, *(arguments if arguments[0] != "-m" else arguments[1:])]

    def send(self, count: int = EVENTS) -> None:
        """So many good events."""
        self.deployment.send([probe(number).value for number in range(count)])

    def start(self, *names: str) -> None:
        """Start these, and wait until each is at work."""
        self.deployment.start(*names)
        for name in names or COMMANDS:
            words = AT_WORK[name.partition(" ")[0]]
            self.wait_until(partial(self._says, name, words), what=f"{name} is at work")

    def _says(self, name: str, words: str) -> bool:
        return words in self.deployment.log(name).read_text()

    def rests(self, *, records: int = EVENTS) -> bool:
        """Whether it comes to rest; False when nothing moves any more."""
        before, deadline = None, 0.0
        while (found := self.deployment.rows(UNDER_WAY)[0]) != (records, 0, 0):
            if found != before:
                before, deadline = found, time.monotonic() + REST
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def broken(self) -> set[str]:
        """The promises that the audit finds broken."""
        with self._blocker.unblock(), looking_at(self.deployment.database):
            return {words.partition(":")[0] for words in audit_at_rest(Seen(self.deployment)).broken}

    def wait_until(self, condition: Callable[[], bool], *, what: str) -> None:
        """Or fail."""
        self.deployment.wait_until(condition, what=what, within=30)
