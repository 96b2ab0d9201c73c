"""What machines ask: is this web process alive, can it reach its database, and what do the rows say (Prometheus).

Probes give nothing away and are open to all. Numbers are for whoever has METRICS_TOKEN: the web process is the one
that stands in the internet. Without a token there is no such page.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import compare_digest

from django.conf import settings
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse

from payments import metrics

# However many ask, and however often, the database is asked once in so many seconds by each web process.
KEPT_FOR = 5.0


class Probes:
    """Answers probes before anything else looks at the request: they come by IP, with a Host that nobody allowed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The probe's answer, or what the project answers."""
        probe = {"/livez": live, "/readyz": ready, "/metrics": tell_numbers}.get(request.path_info)
        return probe(request) if probe else self._get_response(request)


def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; touches nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, else 503 with the reason in one line."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return HttpResponse("the database does not answer\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


class Numbers:
    """What was read lately. Safe to share between threads: one reads, and the others wait for what it finds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._until = b"", 0.0

    def read(self) -> bytes:
        """As Prometheus wants it."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._text = metrics.expose(now=datetime.now(UTC))
                self._until = time.monotonic() + KEPT_FOR
            return self._text

    def forget(self) -> None:
        """Read again the next time."""
        self._until = 0.0


numbers = Numbers()


def tell_numbers(request: HttpRequest) -> HttpResponse:
    """200 with `Authorization: Bearer <METRICS_TOKEN>`, 401 without, 404 where no token is set."""
    if not settings.METRICS_TOKEN:
        return HttpResponse("METRICS_TOKEN is not set\n", status=404, content_type="text/plain")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    # In constant time: an answer that comes sooner would tell how much of the token was right.
    if scheme.lower() != "bearer" or not compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode()):
        answer = HttpResponse("METRICS_TOKEN is asked for\n", status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    return HttpResponse(numbers.read(), content_type=metrics.CONTENT_TYPE)
