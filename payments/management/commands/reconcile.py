"""`manage.py reconcile`: Stripe's books beside ours; and after a restore, what the database has forgotten."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from payments import charging, gateway, reconcile
from payments.management.moments import read_moment
from payments.management.terminal import PARTLY, STOPPED, WHO, AnsweringCommand, add_json, read_reason
from payments.models import Break


class Command(AnsweringCommand):
    """Exit code 0: the books agree, 3: they don't, 1: it couldn't be found out."""

    help = (
        "Compare Stripe's books with ours, both ways, and show what differs: exit code 3. What is interrupted goes on "
        "where it was with the same command. After the database was restored: reconcile --adopt --from <a time before "
        "the last moment that it remembers>."
    )
    examples = """
manage.py reconcile --from 24h
manage.py reconcile --from 2026-01-30 --to 2026-01-31 --json | jq .breaks
manage.py reconcile --settle 17 --reason "refunded by the bank"
manage.py reconcile --adopt --from 2026-01-31T12:00
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """The window, or what to do about one break."""
        parser.add_argument(
            "--from", dest="from_at", type=read_moment, help="since then: 30m, 24h, 7d, 2026-01-31T12:00"
        )
        parser.add_argument(
            "--to", dest="until_at", type=read_moment, help="until then; without it, and with --adopt, until now"
        )
        parser.add_argument(
            "--adopt", action="store_true",
            help="bind payments again to the PaymentIntents that a restored database has forgotten; resumes charging",
        )  # fmt: skip
        parser.add_argument(
            "--cancel-missing", action="store_true",
            help="with --adopt: what is not here will not come: cancel what is unpaid, let be what was given back",
        )  # fmt: skip
        parser.add_argument("--settle", type=int, metavar="BREAK", help="close this break; needs --reason")
        parser.add_argument("--reason", type=read_reason, help="why it needn't agree; kept with the break")
        parser.add_argument(
            "--dry-run", action="store_true", help="ask Stripe nothing and change nothing; say what would be done"
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Progress on stderr, the result on stdout."""
        if options["settle"] is not None:
            self._settle(options)
            return
        if options["from_at"] is None:
            raise CommandError("say since when: --from 24h")
        if options["adopt"] and options["until_at"]:
            # P1: what Stripe has charged after that would be charged once more.
            raise CommandError("--adopt goes without --to: leave --to out. It asks until now, as charging goes on then")
        now = datetime.now(UTC)
        # Stripe's clock may be ahead of ours: what it makes now must not be left out of an adoption.
        until_at = options["until_at"] or now + (charging.CLOCKS_DIFFER if options["adopt"] else timedelta())
        if options["from_at"] >= until_at:
            raise CommandError("--from must be before --to")
        if options["dry_run"]:
            self._say_what_would_be(options, until_at)
            return
        try:
            result = reconcile.reconcile(
                from_at=options["from_at"], until_at=until_at, asked_by=WHO, gateway=gateway.connect(),
                clock=lambda: datetime.now(UTC), adopt=options["adopt"], cancel_missing=options["cancel_missing"],
                say=self.stderr.write,
            )  # fmt: skip
        except (reconcile.Busy, reconcile.TooLate) as refusal:
            raise CommandError(str(refusal)) from None
        except KeyboardInterrupt:
            raise CommandError("stopped. The same command goes on where it was.", returncode=STOPPED) from None
        breaks = reconcile.open_breaks()
        self.answer(
            options,
            document={
                "counts": result.counts, "breaks": [_as_json(broken, now) for broken in breaks],
                "interrupted": result.interrupted,
            },
            lines=_report(result, breaks, adopt=options["adopt"]),
        )  # fmt: skip
        if result.interrupted:
            raise CommandError(f"{result.interrupted}. The same command goes on where it was.")
        self._judge(result, adopt=options["adopt"])

    def _settle(self, options: dict[str, Any]) -> None:
        number, acts = options["settle"], not options["dry_run"]
        if acts and not options["reason"]:
            raise CommandError("say why it needn't agree: --reason")
        if not any(broken.id == number for broken in reconcile.open_breaks()):
            raise CommandError(f"there is no open break {number}")
        if acts:
            try:
                reconcile.settle_break(break_id=number, who=WHO, why=options["reason"], now=datetime.now(UTC))
            except reconcile.NotOpen as refusal:
                raise CommandError(str(refusal)) from None
        line = f"Break {number} is settled." if acts else f"Break {number} would be settled. Nothing was changed."
        self.answer(options, document={"break": number, "acted": acts}, lines=[line])

    def _say_what_would_be(self, options: dict[str, Any], until_at: datetime) -> None:
        now, breaks = datetime.now(UTC), reconcile.open_breaks()
        from_at, what = options["from_at"], "adopted" if options["adopt"] else "compared"
        line = f"{from_at:%Y-%m-%d %H:%M} to {until_at:%Y-%m-%d %H:%M} UTC would be {what}. Nothing was changed."
        lines = [*(_line(broken, now) for broken in breaks), line]
        document = {"from": from_at, "to": until_at, "breaks": [_as_json(broken, now) for broken in breaks]}
        self.answer(options, document=document | {"acted": False}, lines=lines)

    def _judge(self, result: reconcile.Result, *, adopt: bool) -> None:
        left = _left(result)
        if adopt and left:
            raise CommandError(
                "charging stays paused: "
                + ", ".join(f"{count} {why}" for why, count in left.items())
                + ". Run this again when the bridge has read the records again. What is still missing then is of "
                "re-issued payments (manage.py reissue, then again), or of nobody, or was given back "
                "(--cancel-missing). What is not adopted may be older: begin earlier (--from).",
                returncode=PARTLY,
            )
        if count := len(reconcile.open_breaks()):
            raise CommandError(f"{count} breaks are open: settle them with --settle BREAK --reason", returncode=PARTLY)


def _left(result: reconcile.Result) -> dict[str, int]:
    """What an adoption couldn't bring together: {why: how many}."""
    return {why: result.counts[why] for why in reconcile.LEFT if result.counts.get(why)}


def _report(result: reconcile.Result, breaks: list[Break], *, adopt: bool) -> Iterator[str]:
    now, width = datetime.now(UTC), max(map(len, result.counts), default=0)
    for what, count in sorted(result.counts.items()):
        yield f"{what:<{width}}  {count:>8}"
    yield from (_line(broken, now) for broken in breaks)
    if not breaks:
        yield "The books agree." if not result.interrupted else "Nothing differs so far."
    if adopt and not result.interrupted and not _left(result):
        yield "Nothing is left to adopt: charging goes on, if nothing else has paused it."


def _line(broken: Break, now: datetime) -> str:
    age = _age(now - broken.found_at)
    return f"break {broken.id}  {broken.kind:<10}  {age:>4}  {broken.intent_id}  {broken.reason}"


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
