"""What bridge and relay have in common under watch: metrics on a port, a health file, and a heartbeat in a row."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from bridge import metrics
from bridge.kafka import KafkaAway, Process
from bridge.loop import Stop, is_away
from bridge.watch.health import Health
from payments import intake, outbox

_REGISTRIES = {"bridge": metrics.BRIDGE, "relay": metrics.RELAY}
# Each through its own door.
_HEARTS = {"bridge": intake.heart_of, "relay": outbox.heart_of}
_KAFKA_WAITS = {"bridge": metrics.BRIDGE_KAFKA_WAITS, "relay": metrics.RELAY_KAFKA_WAITS}
_DATABASE_WAITS = {"bridge": metrics.BRIDGE_DATABASE_WAITS, "relay": metrics.RELAY_DATABASE_WAITS}


@contextmanager
def watching(process: Process) -> Iterator[Health]:
    """As METRICS_PORT and HEALTH_FILE say, as long as the block lasts. Raises `SettingUnusable`."""
    with ExitStack() as until_the_end:
        if settings.METRICS_PORT is not None:
            until_the_end.enter_context(metrics.served(_REGISTRIES[process], port=settings.METRICS_PORT))
        path = Path(settings.HEALTH_FILE) if settings.HEALTH_FILE else None
        heart = until_the_end.enter_context(_HEARTS[process](process).beating())
        yield until_the_end.enter_context(Health.kept(path, heart=heart))


def watched(*, process: Process, session: Callable[[Stop], None], health: Health) -> Callable[[Stop], None]:
    """The session, counting what ends it. One that ends early is begun again often enough to keep the file fresh."""

    def run(stop: Stop) -> None:
        health.show()
        try:
            session(stop)
        except KafkaAway as away:
            _KAFKA_WAITS[process].inc()
            health.waits(str(away))
            raise
        except (DatabaseError, InterfaceError) as error:
            if is_away(error):
                _DATABASE_WAITS[process].inc()
                health.waits("the database does not answer")
            raise

    return run
