"""`manage.py forget_user`: erase one user's personal data, keep the ledger, and say what Kafka still holds."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge.kafka import KafkaAway, KafkaRefuses, look_at_kept
from payments import retention

WHO = "staff: command line"
PATIENCE = (0.5, 2.5)


class Command(BaseCommand):
    """A preview unless `--yes`; all or nothing."""

    help = (
        "Erase a user's personal data: e-mail address and whatever else came with the user, cards, records as "
        "they came, bodies that were told, and these words in free texts. Ids, amounts, states and times stay. Refused "
        "while something of theirs is under way. Says what Kafka still holds, and until when. A preview unless --yes. "
        'Example: forget_user u_1 --reason "asked by letter" --yes. Exit code 0: done; 1: refused, with the reasons.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, and why."""
        parser.add_argument("user", help="user.id as it came in the events")
        parser.add_argument("--reason", default="", help="why; needed with --yes, and kept")
        parser.add_argument("--yes", action="store_true", help="act; without it nothing is changed")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """What is erased, and what is elsewhere."""
        if options["yes"] and not options["reason"].strip():
            raise CommandError("--yes needs a --reason")
        now = datetime.now(UTC)
        if options["yes"]:
            found = retention.forget(user_id=options["user"], who=WHO, why=options["reason"], now=now)
        else:
            found = retention.preview_forgetting(user_id=options["user"], now=now)
        if isinstance(found, retention.NotForgettable):
            if options["json"]:
                self.stdout.write(json.dumps({"acted": False, "refused": list(found.why)}))
            raise CommandError("\n".join(f"not erased: {why}" for why in found.why))
        elsewhere = _look_elsewhere(found, now)
        if options["json"]:
            self.stdout.write(
                json.dumps({"acted": options["yes"], "kafka": elsewhere} | asdict(found)["counts"], default=str)
            )
            return
        rows = ", ".join(f"{count} {what}" for what, count in found.counts.items())
        self.stdout.write(f"{'Erased' if options['yes'] else 'Would be erased'}: {rows}. The ledger stays.")
        for topic, line in elsewhere.items():
            self.stdout.write(f"Kafka, {topic}: {line}")
        self.stdout.write("Stripe's customers and payment methods, backups, and who reads the topics have their own.")
        if not options["yes"]:
            self.stdout.write("Nothing was changed. Add --yes to act.")


def _look_elsewhere(found: retention.Forgotten, now: datetime) -> dict[str, str]:
    """By topic: until when Kafka still has something of the user."""
    last = {
        settings.KAFKA_TOPIC_PAYMENTS: found.came_at,
        settings.KAFKA_TOPIC_NOTIFICATIONS: found.told_at,
        settings.KAFKA_TOPIC_DEAD_LETTERS: found.parked_at,
        settings.KAFKA_TOPIC_REFUNDS: found.refunds_told_at,
    }
    given = {topic: at for topic, at in last.items() if topic and at}
    try:
        kept = look_at_kept(list(given), patience=PATIENCE) if given else {}
    except (KafkaAway, KafkaRefuses) as trouble:
        return dict.fromkeys(given, f"could not be asked how long it keeps records: {trouble}")
    lines = {}
    for topic, at in given.items():
        if topic not in kept:
            lines[topic] = "does not tell how long it keeps records, or is not there"
        elif (until := kept[topic].until(at)) is None:
            lines[topic] = "keeps records for ever: delete them there (kafka-delete-records.sh), or set retention.ms"
        elif until < now:
            lines[topic] = f"has deleted the last record of this user by {until:%Y-%m-%d %H:%M} UTC"
        else:
            lines[topic] = f"still has records of this user, at the latest until {until:%Y-%m-%d %H:%M} UTC"
    return lines
