"""`manage.py explain`: what happened to a payment, in plain words, by whatever id there is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, assert_never

from django.core.management.base import CommandError, CommandParser

from payments import explain
from payments.management.terminal import AnsweringCommand, add_json


class Command(AnsweringCommand):
    """Exit code 0: found, 1: nothing is known by this id. Nothing is changed, and Stripe is not asked."""

    help = (
        "What happened to a payment, whether money was taken, and what to do: in plain words, with the evidence. "
        "Nothing is changed, and Stripe is not asked."
    )
    examples = """
manage.py explain a@b.kz                                all payments of an e-mail address, newest first
manage.py explain sub_1                                 of a subscription (or a user's id)
manage.py explain pi_3Q…                                by Stripe's ids: pi_, ch_, re_, dp_, evt_
manage.py explain 5c1e…                                 by the id of a payment or of a notification
manage.py explain payment.createInitial:0:17            what became of one record: topic:partition:offset
manage.py explain pi_3Q… --json | jq .found[].conclusion
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Any id."""
        parser.add_argument("id", help="payment, subscription, user, e-mail, pi_…, ch_…, re_…, evt_…, or a record")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One story after the other."""
        found = explain.find(options["id"])
        if found is None:
            raise CommandError(f"nothing is known by {options['id']}: give it whole, as it stands where it came from")
        stories = list(_stories(found))
        more = isinstance(found, explain.FoundPayments) and found.more
        self.answer(
            options, document={"found": [explain.as_data(story) for story in stories], "more": more},
            lines=_lines(stories, more=more),
        )  # fmt: skip


def _lines(stories: list[explain.Story | explain.Notice], *, more: bool) -> Iterator[str]:
    for number, story in enumerate(stories):
        yield ("\n" + "─" * 80 + "\n\n" if number else "") + explain.as_text(story)
    if more:
        yield f"\nThese are the newest {len(stories)}; there are more."


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
