"""`manage.py prune`: remove rows that are old and needed by nobody, and empty old personal data."""

from argparse import ArgumentTypeError
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from payments import retention
from payments.management.progress import Show
from payments.management.terminal import DONE, DRY, STOPPED, AnsweringCommand, add_json, heeding_ctrl_c
from payments.retention import KINDS

FOR_EVER = "Everything is kept for ever: set KEEP_OUTBOX, KEEP_JOBS, KEEP_INBOX, KEEP_WEBHOOKS or KEEP_PERSONAL."


class Command(AnsweringCommand):
    """A dry run unless `--yes`. The schedule does the same once a day."""

    help = (
        "Remove what is older than KEEP_INBOX, KEEP_OUTBOX, KEEP_WEBHOOKS and KEEP_JOBS say, and empty personal data "
        "older than KEEP_PERSONAL; never what a promise still needs. A thousand rows at a time; may be cut off. "
        "A dry run, which counts, unless --yes. After Ctrl-C the same command goes on."
    )
    examples = """
manage.py prune
manage.py prune --only webhooks --yes
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """What, and whether to act."""
        parser.add_argument("--only", action="append", choices=KINDS, help="only these rows; can be repeated")
        parser.add_argument("--pause", type=_seconds, default=0.2, help="seconds after each thousand rows (0.2)")
        # Nobody is asked for a reason: the settings are it.
        either = parser.add_mutually_exclusive_group()
        either.add_argument("--dry-run", action="store_true", help="only count, as without --yes")
        either.add_argument("--yes", action="store_true", help="act; without it nothing is changed")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """A line for each kind."""
        now, kinds = datetime.now(UTC), tuple(options["only"] or KINDS)
        acts = bool(options["yes"])
        kept = {kind: span for kind, span in retention.kept_for().items() if kind in kinds}
        interrupted = False
        if acts:
            counts, interrupted = self._prune(kinds, now, pause=options["pause"])
        else:
            counts = retention.count_prunable(now=now, kinds=kinds)
        lines = []
        for kind, span in kept.items():
            rows = ", ".join(f"{count} {what}" for what, count in counts.get(kind, {}).items()) or "nothing"
            lines.append(f"{kind}, kept for {span.days} d: {rows}{'' if acts else ' would go'}.")
        if not kept:
            lines.append(FOR_EVER)
        elif not acts:
            lines.append(DRY)
        if interrupted:
            self.stderr.write("Cut off. What is done stays done; the same command goes on.")
        before = {kind: (now - span).isoformat() for kind, span in kept.items()}
        document = {"acted": acts, "rows": counts, "before": before, "interrupted": interrupted}
        self.answer(options, document=document, lines=lines, code=STOPPED if interrupted else DONE)

    def _prune(
        self, kinds: tuple[retention.Kind, ...], now: datetime, *, pause: float
    ) -> tuple[dict[str, dict[str, int]], bool]:
        counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
        interrupted = False
        try:
            total = sum(sum(of.values()) for of in retention.count_prunable(now=now, kinds=kinds).values())
            with Show(self.stderr, what="Pruned", total=total) as show, heeding_ctrl_c() as ctrl_c:
                steps = retention.prune(now=now, kinds=kinds, stop=ctrl_c.is_set, pause=pause, rest=ctrl_c.wait)
                for step in steps:
                    counts[step.kind][step.what] += step.rows
                    show.at(sum(of.total() for of in counts.values()))
                interrupted = ctrl_c.is_set()
        except KeyboardInterrupt:
            interrupted = True
        return {kind: dict(of) for kind, of in counts.items()}, interrupted


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise ArgumentTypeError("must be a number of seconds from 0 to 60")
    return seconds
