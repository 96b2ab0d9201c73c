"""`manage.py explain`: what happened to a payment, in plain words, by whatever id there is."""

import json
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, assert_never

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments import explain

EXAMPLES = """examples:
  manage.py explain a@b.kz                             all payments of an e-mail address, newest first
  manage.py explain sub_1                              of a subscription (or a user's id)
  manage.py explain pi_3Q…                             by Stripe's ids: pi_, ch_, re_, dp_, evt_
  manage.py explain 5c1e…                              by the id of a payment or of a notification
  manage.py explain payment.createInitial:0:17         what became of one record: topic:partition:offset
  manage.py explain pi_3Q… --json | jq .conclusion     for programs: one JSON object a line

Exit code 0: found; 1: nothing is known by this id. Nothing is changed, and Stripe is not asked."""


class Command(BaseCommand):
    """Exit code 0: found, 1: nothing is known by this id."""

    help = "What happened to a payment, whether money was taken, and what to do: in plain words, with the evidence."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """As usual, with examples below."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        """Any id."""
        parser.add_argument("id", help="payment, subscription, user, e-mail, pi_…, ch_…, re_…, evt_…, or a record")
        parser.add_argument("--json", action="store_true", help="print one JSON object a line for each payment")

    def handle(self, *args: Any, **options: Any) -> None:
        """One story after the other."""
        found = explain.find(options["id"])
        if found is None:
            raise CommandError(f"nothing is known by {options['id']}: give it whole, as it stands where it came from")
        stories = list(_stories(found))
        for number, story in enumerate(stories):
            if options["json"]:
                self.stdout.write(json.dumps(explain.as_data(story), ensure_ascii=False))
            else:
                self.stdout.write(("\n" + "─" * 80 + "\n\n" if number else "") + explain.as_text(story))
        if isinstance(found, explain.FoundPayments) and found.more and not options["json"]:
            self.stdout.write(f"\nThese are the newest {len(stories)}; there are more.")


def _stories(found: explain.Found) -> Iterator[explain.Story | explain.Notice]:
    now = datetime.now(UTC)
    match found:
        case explain.FoundPayments(ids=ids):
            yield from (explain.explain(payment_id=one, now=now) for one in ids)
        case explain.FoundRecord(record=record):
            yield explain.explain_record(record)
        case explain.FoundWebhook(webhook=webhook):
            yield explain.explain_webhook(webhook)
            if webhook.payment_id:
                yield explain.explain(payment_id=webhook.payment_id, now=now)
        case _:
            assert_never(found)
