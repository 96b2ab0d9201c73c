"""`manage.py forget_user`: erase one user's personal data, keep the ledger, and say what Kafka still holds."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bridge.kafka import KafkaAway, KafkaRefuses, look_at_kept
from payments import retention
from payments.management.terminal import DRY, STOPPED, WHO, AnsweringCommand, add_acting, add_json, wants_to_act

PATIENCE = (0.5, 2.5)
OTHERS = "Stripe's customers and payment methods, backups, and who reads the topics have their own."


class Command(AnsweringCommand):
    """A preview unless `--yes`; all or nothing."""

    help = (
        "Erase a user's personal data: e-mail address and whatever else came with the user, cards, records as "
        "they came, bodies that were told, and these words in free texts. Ids, amounts, states and times stay. Refused "
        "while something of theirs is under way. Says what Kafka still holds, and until when. A preview unless --yes."
    )
    examples = """
manage.py forget_user u_1
manage.py forget_user u_1 --reason "asked by letter" --yes
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, and why."""
        parser.add_argument("user", help="user.id as it came in the events")
        add_acting(parser, kept="with the erasure")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """What is erased, and what is elsewhere; exit code 1 with the reasons where it is refused."""
        acts, now = wants_to_act(options), datetime.now(UTC)
        if acts:
            found = retention.forget(user_id=options["user"], who=WHO, why=options["reason"], now=now)
        else:
            found = retention.preview_forgetting(user_id=options["user"], now=now)
        if isinstance(found, retention.NotForgettable):
            self.answer(options, document={"acted": False, "refused": list(found.why)}, lines=[])
            raise CommandError("\n".join(f"not erased: {why}" for why in found.why))
        try:
            elsewhere = _look_elsewhere(found, now)
        except KeyboardInterrupt:
            done = "erased" if acts else "nothing was changed"
            raise CommandError(f"{done}; stopped before Kafka was asked what it holds", returncode=STOPPED) from None
        rows = ", ".join(f"{count} {what}" for what, count in found.counts.items())
        lines = [f"{'Erased' if acts else 'Would be erased'}: {rows}. The ledger stays."]
        lines += [f"Kafka, {topic}: {line}" for topic, line in elsewhere.items()]
        self.answer(
            options, document={"acted": acts, "kafka": elsewhere} | found.counts,
            lines=[*lines, OTHERS] if acts else [*lines, OTHERS, DRY],
        )  # fmt: skip


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
