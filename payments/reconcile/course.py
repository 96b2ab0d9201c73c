"""The course of one run: its row, with a cursor behind what is done and counts, and whom to tell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from payments.models import Reconciliation
from payments.reconcile.books import Books


@dataclass(frozen=True, kw_only=True)
class Course:
    """One run under way. The cursor is `phase`, `phase/object` or `phase/object/time`, always behind what is done."""

    run: Reconciliation
    books: Books
    clock: Callable[[], datetime]
    say: Callable[[str], None]
    # A person has said that PaymentIntents of payments that aren't here, and that have taken nothing, are of no use.
    cancel_missing: bool = False

    @property
    def phase(self) -> str:
        """The phase it is in; empty before the first."""
        return self.run.cursor.split("/")[0]

    @property
    def after(self) -> str:
        """The last of Stripe's objects that this phase is done with."""
        return (*self.run.cursor.split("/"), "")[1]

    @property
    def done_from(self) -> datetime | None:
        """Since when everything of this phase is done, where it goes back in time."""
        return datetime.fromisoformat(parts[2]) if len(parts := self.run.cursor.split("/")) > 2 else None

    def count(self, what: str, number: int = 1) -> None:
        """Add to what the run is going to say."""
        self.run.counts[what] = self.run.counts.get(what, 0) + number

    def begin(self, phase: str) -> None:
        """Enter a phase."""
        self._save(phase)
        self.say(f"{phase} …")

    def note(self, *, after: str, done_from: datetime | None = None) -> None:
        """A page is done: go on from here after an interruption."""
        self._save("/".join([self.phase, after, *([done_from.isoformat()] if done_from else [])]))
        self.say(", ".join(f"{count} {what}" for what, count in self.run.counts.items()))

    def end(self) -> None:
        """Everything is done."""
        self.run.ended_at = self.clock()
        self._save("")

    def _save(self, cursor: str) -> None:
        self.run.cursor = cursor
        self.run.save(update_fields=["cursor", "counts", "ended_at"])
