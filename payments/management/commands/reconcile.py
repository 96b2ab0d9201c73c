"""`manage.py reconcile`: Stripe's books beside ours; and after a restore, what the database has forgotten."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments import gateway, reconcile
from payments.management.moments import read_moment
from payments.models import Break

WHO = "staff: command line"

# Stripe's clock may be ahead of ours: what it makes now must not be left out of an adoption.
CLOCKS_DIFFER = timedelta(minutes=5)

DIFFERS = 2


class Command(BaseCommand):
    """Exit code 0: the books agree, 2: they don't, 1: it couldn't be found out."""

    help = (
        "Compare Stripe's books with ours, both ways, and show what differs. Example: reconcile --from 24h. Exit code "
        "0: all agrees; 2: something differs; 1: trouble, and the same command goes on where it was. After the "
        "database was restored: reconcile --adopt --from <a time before the last moment that it remembers>."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The window, or what to do about one break."""
        parser.add_argument(
            "--from", dest="from_at", type=read_moment, help="since then: 30m, 24h, 7d, 2026-01-31T12:00"
        )
        parser.add_argument("--to", dest="until_at", type=read_moment, help="until then; without it until now")
        parser.add_argument(
            "--adopt", action="store_true",
            help="bind payments again to the PaymentIntents that a restored database has forgotten; resumes charging",
        )  # fmt: skip
        parser.add_argument(
            "--cancel-missing", action="store_true",
            help="with --adopt: cancel unpaid PaymentIntents whose payments are not here, and will not come",
        )  # fmt: skip
        parser.add_argument("--settle", type=int, metavar="BREAK", help="close this break; needs --reason")
        parser.add_argument("--reason", help="why it needn't agree; kept with the break")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Progress on stderr, the result on stdout."""
        if options["settle"] is not None:
            self._settle(options["settle"], options["reason"])
            return
        if options["from_at"] is None:
            raise CommandError("say since when: --from 24h")
        now = datetime.now(UTC)
        until_at = options["until_at"] or now + (CLOCKS_DIFFER if options["adopt"] else timedelta())
        if options["from_at"] >= until_at:
            raise CommandError("--from must be before --to")
        try:
            result = reconcile.reconcile(
                from_at=options["from_at"], until_at=until_at, asked_by=WHO, gateway=gateway.connect(),
                clock=lambda: datetime.now(UTC), adopt=options["adopt"], cancel_missing=options["cancel_missing"],
                say=self.stderr.write,
            )  # fmt: skip
        except (reconcile.Busy, reconcile.TooLate) as refusal:
            raise CommandError(str(refusal)) from None
        self._report(result, as_json=options["json"])
        if result.interrupted:
            raise CommandError(f"{result.interrupted}. The same command goes on where it was.")
        self._judge(result, adopt=options["adopt"])

    def _settle(self, number: int, reason: str | None) -> None:
        if not (reason or "").strip():
            raise CommandError("say why it needn't agree: --reason")
        try:
            reconcile.settle_break(break_id=number, who=WHO, why=str(reason), now=datetime.now(UTC))
        except reconcile.NotOpen as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"Break {number} is settled.")

    def _report(self, result: reconcile.Result, *, as_json: bool) -> None:
        now, breaks = datetime.now(UTC), reconcile.open_breaks()
        if as_json:
            found = [_as_json(broken, now) for broken in breaks]
            self.stdout.write(json.dumps({"counts": result.counts, "breaks": found, "interrupted": result.interrupted}))
            return
        width = max(map(len, result.counts), default=0)
        for what, count in sorted(result.counts.items()):
            self.stdout.write(f"{what:<{width}}  {count:>8}")
        for broken in breaks:
            age = _age(now - broken.found_at)
            self.stdout.write(f"break {broken.id}  {broken.kind:<10}  {age:>4}  {broken.intent_id}  {broken.reason}")
        if not breaks:
            self.stdout.write("The books agree." if not result.interrupted else "Nothing differs so far.")

    def _judge(self, result: reconcile.Result, *, adopt: bool) -> None:
        left = {why: result.counts[why] for why in reconcile.LEFT if result.counts.get(why)}
        if adopt and left:
            raise CommandError(
                "charging stays paused: "
                + ", ".join(f"{count} {why}" for why, count in left.items())
                + ". Run this again when the bridge has read the records again. What is still missing then is of "
                "re-issued payments (manage.py reissue, then again), or of nobody (--cancel-missing).",
                returncode=DIFFERS,
            )
        if adopt:
            self.stdout.write("Nothing is left to adopt: charging goes on, if nothing else has paused it.")
        if count := len(reconcile.open_breaks()):
            raise CommandError(f"{count} breaks are open: settle them with --settle BREAK --reason", returncode=DIFFERS)


def _as_json(broken: Break, now: datetime) -> dict[str, Any]:
    return {
        "id": broken.id, "kind": broken.kind, "intent": broken.intent_id, "charge": broken.charge_id,
        "payment": str(broken.payment_id) if broken.payment_id else None, "reason": broken.reason,
        "details": broken.details, "ageSeconds": int((now - broken.found_at).total_seconds()),
    }  # fmt: skip


def _age(age: timedelta) -> str:
    """The largest unit that fits: `12m`, `5h`, `3d`."""
    minutes = int(age.total_seconds() // 60)
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1440}d"
