"""`manage.py relay`: outbox → Kafka."""

import gc
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from bridge import relay
from bridge.kafka import KafkaRefuses
from bridge.loop import Stop, keep_running
from bridge.metrics import SettingUnusable
from bridge.startup import checked
from bridge.watch import RelayWatch, watched, watching
from payments.management.terminal import ExplainedCommand


class Command(ExplainedCommand):
    """Runs until SIGTERM or Ctrl-C; start a second one as a hot standby."""

    help = "Outbox → Kafka. Runs until SIGTERM; a second one is a hot standby."
    examples = """
manage.py relay
"""

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 0 after a stop, 1 where Kafka refuses."""
        # All that was imported stays: looking through it for what nobody needs any more took a third of the time.
        gc.freeze()
        stop = Stop()
        stop.listen(within=settings.STOP_WITHIN)
        try:
            with watching("relay") as health:
                relaying = partial(relay.session, each_round=RelayWatch(health=health).round)
                session = checked(process="relay", session=relaying)
                keep_running(
                    process="relay", session=watched(process="relay", session=session, health=health), stop=stop
                )
        except (KafkaRefuses, SettingUnusable) as refusal:
            raise CommandError(str(refusal)) from None
