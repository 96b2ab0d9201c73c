"""`manage.py rewind`: let the group read again what it has read."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bridge.kafka import KafkaAway, KafkaRefuses
from bridge.management.places import read_place
from bridge.rewind import Step, plan, rewind
from payments.management.terminal import WHO, AnsweringCommand, add_acting, add_json, wants_to_act


class Command(AnsweringCommand):
    """A dry run unless `--yes`; refused while a bridge runs, and where records would be lost by it."""

    help = (
        "Set the group's offsets back, so that records are read again; those that have rows are known and nobody is "
        "charged for them again. Never goes forward. A dry run unless --yes."
    )
    examples = """
manage.py rewind --to 2026-01-31T12:00Z
manage.py rewind --to 2026-01-31T12:00Z --reason "audit_offsets names records" --yes
manage.py rewind --to 0:1234,1:99 --json | jq .steps
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """To where, and why."""
        parser.add_argument(
            "--to", type=read_place, required=True, metavar="earliest|time|offsets",
            help="a time with its zone (2026-01-31T12:00Z), offsets by partition (0:1234,1:99), or earliest",
        )  # fmt: skip
        parser.add_argument(
            "--before-start", action="store_true",
            help="also to before the place where the group began: new records there are charged",
        )  # fmt: skip
        add_acting(parser, kept="in the log")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """A line for each partition; exit code 1 with the reason where it can't be done."""
        acts = wants_to_act(options)
        try:
            steps = plan(to=options["to"], before_start=options["before_start"])
            if steps and acts:
                rewind(steps=steps, who=WHO, why=options["reason"])
        except (KafkaAway, KafkaRefuses) as trouble:
            raise CommandError(str(trouble)) from None
        last = "Nothing was changed. Add --yes to act, while no bridge runs."
        if acts or not steps:
            last = "The group is set back: start the bridge." if steps else "Nothing to read again."
        self.answer(
            options, document={"steps": [asdict(step) for step in steps], "acted": acts and bool(steps)},
            lines=[*map(_line, steps), last],
        )  # fmt: skip


def _line(step: Step) -> str:
    place = f"{settings.KAFKA_TOPIC_PAYMENTS}[{step.partition}]"
    if step.offset > step.committed:
        return f"{place}: on from {step.committed} to {step.offset}, as Kafka has deleted what is between"
    return (
        f"{place}: back from {step.committed} to {step.offset}, {step.known + step.new} records again, "
        f"{step.new} of them new"
    )
