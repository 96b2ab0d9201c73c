"""`manage.py audit`: the promises, asked of the whole database."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from payments.audit import CHECKS, Audited, audit
from payments.management.progress import Show
from payments.management.terminal import DONE, PARTLY, AnsweringCommand, add_json


class Command(AnsweringCommand):
    """Changes nothing, and holds nobody up. Exit code 3: a promise is broken."""

    help = (
        "Ask the whole database whether the promises hold: nobody charged twice, nothing lost, nothing false said, all "
        "told, all settled soon. One line for each check, in one snapshot; changes nothing. Exit code 3: one is "
        "broken. What Stripe has is compared by reconcile, what Kafka has by audit_offsets."
    )
    examples = """
manage.py audit
manage.py audit --json | jq '.checks[] | select(.holds | not)'
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """For people or for scripts."""
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """A line for each check, then one for all."""
        with Show(self.stderr, what="Checked", total=len(CHECKS)) as show:
            found = list(show.each(audit(now=datetime.now(UTC))))
        broken = [one for one in found if not one.holds]
        last = f"{len(found)} checks: {f'{len(broken)} are BROKEN' if broken else 'all hold'}."
        self.answer(
            options, document={"checks": [_as_json(one) for one in found], "holds": not broken},
            lines=[*map(_as_line, found), last], code=PARTLY if broken else DONE,
        )  # fmt: skip


def _as_line(one: Audited) -> str:
    line = f"{'OK' if one.holds else 'BROKEN':<6}  {one.check.promise}  {one.check.name}: {one.check.says}"
    if one.holds:
        return line
    return f"{line}\n          {one.count}: {', '.join(one.first)}{' …' if one.count > len(one.first) else ''}"


def _as_json(one: Audited) -> dict[str, Any]:
    return {
        "promise": one.check.promise, "name": one.check.name, "says": one.check.says, "holds": one.holds,
        "count": one.count, "first": list(one.first),
    }  # fmt: skip
