"""What goes on while the demo runs: needs Django, and so is imported after the services are up."""

import time
from datetime import UTC, datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from rich.console import Console

from billing_project.dev.demo import arrange, audit, events
from billing_project.dev.demo.processes import ProcessEnded, Processes
from billing_project.dev.demo.story import Story
from payments.models import InboxMessage, Payment

LOOK_EVERY = 0.2


class Live:
    """Feeds, shows, and decides when all is at rest."""

    def __init__(self, *, console: Console, processes: Processes, stripe: str | None) -> None:
        self._console, self._processes, self._stripe = console, processes, stripe
        self._story = Story()
        self._fed = 0
        self._began = datetime.now(UTC)
        self._since = InboxMessage.objects.order_by("-id").values_list("id", flat=True).first() or 0

    def feed(self, *, stuck: bool) -> None:
        """Send the events; with `stuck`, also one whose outcome stays unknown while the demo runs."""
        if stuck and self._stripe:
            arrange.never_answer(self._stripe, method=events.STUCK)
        self._fed = events.feed(
            broker=settings.KAFKA_BROKER, topic=settings.KAFKA_TOPIC_PAYMENTS, stuck=stuck and bool(self._stripe)
        ).records
        self._console.print(f"fed {self._fed} events to {settings.KAFKA_TOPIC_PAYMENTS}\n")

    def for_ever(self) -> None:
        """Show what happens, until Ctrl-C."""
        while True:
            self._look()
            time.sleep(LOOK_EVERY)

    def until_at_rest(self, *, within: float) -> int:
        """Show what happens until all that was fed is settled and told. Returns the exit code."""
        deadline = time.monotonic() + within
        while not audit.is_at_rest(records=self._fed, since=self._since, began=self._began):
            if time.monotonic() > deadline:
                self._look()
                self._console.print(f"[red]not at rest after {within:.0f} s[/]: see the logs")
                return 1
            self._look()
            time.sleep(LOOK_EVERY)
        self._look()
        return self._verdict()

    def _verdict(self) -> int:
        count = Payment.objects.count()
        if self._stripe is None:
            self._console.print(
                f"\n{count} payments at rest; Stripe is not the simulator, so there is no ledger to compare"
            )
            return 0
        found = audit.differences(audit.fetch_ledger(stripe=self._stripe))
        for line in found:
            self._console.print(f"[red]{line}[/]")
        if not found:
            self._console.print(f"\n[green]{count} payments, each in the state that the simulator's ledger says[/]")
        return 1 if found else 0

    def _look(self) -> None:
        for name, status in self._processes.ended():
            lines = self._processes.log(name).read_text(errors="replace").strip().splitlines()[-3:]
            raise ProcessEnded(f"{name} has ended with {status}: " + " / ".join(lines))
        try:
            for line in self._story.news():
                self._console.print(line)
        except (OperationalError, InterfaceError):
            self._console.print("the database does not answer, waiting for it", style="yellow")
            connection.close()
            time.sleep(2)
