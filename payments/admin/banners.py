"""What staff must know on whatever page they are: each with how bad it is, since when, what it means and what to do.

Looked up by a handful of short questions, once in five seconds and process.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from payments import metrics
from payments.admin import banner_words
from payments.admin.banner_words import Banner
from payments.models import Break, Pause

KEPT_FOR = 5.0
RELAY_BEHIND_AFTER = timedelta(seconds=60)
NEEDED = ("bridge", "worker", "beat", "relay")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that staff must know; `banner_words` says it in their language."""

    kind: str
    since: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Lookout:
    """What was found, for five seconds. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Finding] = []
        self._until = 0.0

    def look(self) -> list[Finding]:
        """What is to be told now; found lately, or looked up."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = find(now=datetime.now(UTC))
                self._until = time.monotonic() + KEPT_FOR
            return self._found

    def forget(self) -> None:
        """Look again the next time."""
        self._until = 0.0


lookout = Lookout()


def context(request: HttpRequest) -> dict[str, list[Banner]]:
    """For the templates of all pages of the admin; nothing for whoever isn't logged in."""
    if not admin.site.has_permission(request):
        return {}
    banners = [banner_words.say(kind=one.kind, since=one.since, facts=one.facts) for one in lookout.look()]
    return {"banners": sorted(banners, key=lambda banner: banner_words.SEVERITIES.index(banner.severity))}


def find(*, now: datetime) -> list[Finding]:
    """Everything that is wrong just now."""
    looks = (_pauses(), _processes(now), _relay(now), _modes(), _webhooks(now), _breaks())
    return list(chain.from_iterable(looks))


def _pauses() -> list[Finding]:
    open_ones = Pause.objects.filter(ended_at__isnull=True).order_by("began_at")
    return [
        Finding(kind=f"paused_{one.cause}", since=one.began_at, facts={"reason": one.reason, "who": one.began_by})
        for one in open_ones
    ]


def _processes(now: datetime) -> list[Finding]:
    """Those without which nothing goes on: missing, or all of them waiting for something."""
    found = []
    for kind in metrics.who_runs(now=now):
        if kind.process not in NEEDED:
            continue
        if not kind.there:
            facts = {"process": kind.process, "host": kind.seen_on}
            found.append(Finding(kind="missing", since=kind.seen_at, facts=facts))
        elif all(waits := [beat.facts.get("waits_for") for beat in kind.there]):
            found.append(Finding(kind="waits", facts={"process": kind.process, "why": waits[0]}))
    return found


def _relay(now: datetime) -> list[Finding]:
    oldest = metrics.oldest_waiting()
    if oldest is None or oldest > now - RELAY_BEHIND_AFTER:
        return []
    return [Finding(kind="relay_behind", since=oldest)]


def _modes() -> list[Finding]:
    """The key's mode beside that of the newest and of the oldest payments."""
    is_live = "_live_" in settings.STRIPE_SECRET_KEY
    since = metrics.other_mode_since(is_live=is_live)
    return [Finding(kind="live_key" if is_live else "test_key", since=since)] if since else []


def _webhooks(now: datetime) -> list[Finding]:
    if not settings.STRIPE_WEBHOOK_SECRETS:
        return [Finding(kind="webhooks_off")]
    seen = metrics.look_at_webhooks(now=now)
    if seen.refused_at:
        facts = {"why": seen.refused_why, "number": seen.refused}
        return [Finding(kind="webhooks_refused", since=seen.refused_at, facts=facts)]
    return [Finding(kind="webhooks_silent", since=seen.silent_since)] if seen.silent_since else []


def _breaks() -> list[Finding]:
    open_ones = Break.objects.filter(closed_at__isnull=True).order_by("found_at")
    number = metrics.count(open_ones)
    if not number:
        return []
    oldest = open_ones.values_list("found_at", flat=True).first()
    return [Finding(kind="breaks", since=oldest, facts={"number": number})]
