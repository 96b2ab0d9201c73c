"""The settings that every client of ours has."""

import logging
from typing import Any

from django.conf import settings

# Its own lines would repeat ours, less clearly.
_QUIET = logging.getLogger("librdkafka")
_QUIET.setLevel(logging.CRITICAL)


def common_settings() -> dict[str, Any]:
    return {
        **settings.KAFKA_PROPERTIES,
        "bootstrap.servers": settings.KAFKA_BROKER,
        "logger": _QUIET,
        "log.connection.close": False,
        "reconnect.backoff.max.ms": 5_000,
    }
