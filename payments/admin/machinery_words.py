"""The machinery in words: queues, outbox, charging, the rate limit, processes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments import limits
from payments.admin.banner_words import process_name
from payments.admin.places import list_of
from payments.admin.times import both_zones
from payments.metrics import MOST_COUNTED, Machinery, Running
from payments.models import Pause

Line = dict[str, Any]

# Below that nobody has to know.
BUSY = 0.9
LATE = timedelta(seconds=60)


def describe(state: Machinery, *, now: datetime) -> dict[str, Any]:
    """Lines of `label`, `value`, `note`, `link` and `tone`; and the processes."""
    lines = [_charging(state.pauses), _queue(state.redis), _outbox(state), _rate(state.redis)]
    if state.set_aside:
        lines.append(
            {
                "label": _("Refused by Kafka"), "value": _many(state.set_aside), "tone": "bad",
                "note": _("messages that could not be sent, ever: tell whoever runs the service"),
                "link": list_of("outboxmessage", refused_at__isnull=0),
            }
        )  # fmt: skip
    return {"machinery": lines, "processes": [_process(one, now) for one in state.running]}


def _many(value: int) -> str:
    return f"{MOST_COUNTED}+" if value > MOST_COUNTED else str(value)


def _charging(pauses: Sequence[Pause]) -> Line:
    if not pauses:
        return {"label": _("Charging"), "value": _("goes on"), "note": _("Stripe answers"), "tone": "good"}
    causes = {
        Pause.Cause.STAFF: _("paused by staff"),
        Pause.Cause.KEY: _("stopped: Stripe refuses our key"),
        Pause.Cause.OUTAGE: _("waits: Stripe does not answer"),
        Pause.Cause.RESTORED: _("stopped: the database was restored"),
    }
    return {
        "label": _("Charging"), "value": " · ".join(causes[Pause.Cause(one.cause)] for one in pauses), "tone": "bad",
        "note": _("see the banner above"), "since": both_zones(pauses[0].began_at),
    }  # fmt: skip


def _queue(redis: limits.Gauges | None) -> Line:
    label = _("Queue")
    if redis is None:
        return {
            "label": label, "value": _("not known: Redis is away"), "tone": "wait",
            "note": _("charging goes on when it is back; nothing is lost"),
        }  # fmt: skip
    fresh, backlog = redis.queued[limits.CHARGE_QUEUE], redis.queued[limits.BACKLOG_QUEUE]
    found = ngettext("%(number)s message", "%(number)s messages", fresh + backlog)
    note = _("%(fresh)s new, %(backlog)s that could wait") % {"fresh": fresh, "backlog": backlog}
    return {"label": label, "value": found % {"number": fresh + backlog}, "note": note, "tone": ""}


def _outbox(state: Machinery) -> Line:
    line: Line = {
        "label": _("Notifications"), "value": _("all sent"), "note": "", "tone": "good",
        "link": list_of("outboxmessage", published_at__isnull=1, refused_at__isnull=1),
    }  # fmt: skip
    if state.outbox:
        found = ngettext("%(number)s waits", "%(number)s wait", state.outbox)
        oldest = _("the oldest for %(seconds)s s") % {"seconds": int(state.outbox_age.total_seconds())}
        line |= {"value": found % {"number": _many(state.outbox)}, "note": oldest}
        line["tone"] = "bad" if state.outbox_age > LATE else ""
    return line


def _rate(redis: limits.Gauges | None) -> Line:
    limit = _("%(rate)s requests a second for each of Stripe's endpoints") % {"rate": settings.STRIPE_RATE_LIMIT}
    line: Line = {"label": _("Rate limit"), "value": limit, "note": "", "tone": ""}
    if redis is None:
        return line | {"note": _("each worker keeps to its share while Redis is away"), "tone": "wait"}
    slowed = [pace for pace in redis.paces if pace.slowed]
    if slowed:
        found = [_("%(endpoint)s to %(rate).1f a second") % vars(pace) for pace in slowed]
        return line | {"note": _("slowed down by Stripe (429): %(what)s") % {"what": ", ".join(found)}, "tone": "wait"}
    busy = max(redis.paces, key=lambda pace: pace.used, default=None)
    if busy is None:
        return line | {"note": _("nothing was asked during the last two minutes")}
    used = {"endpoint": busy.endpoint, "used": round(100 * busy.used)}
    if busy.used >= BUSY:
        return line | {"note": _("used up just now (%(endpoint)s): what can wait, waits") % used, "tone": "wait"}
    return line | {"note": _("%(used)s %% in use just now (%(endpoint)s)") % used}


def _process(one: Running, now: datetime) -> Line:
    hosts = sorted({beat.host for beat in one.there})
    waits = sorted({beat.facts["waits_for"] for beat in one.there if beat.facts.get("waits_for")})
    line: Line = {"label": process_name(one.process), "tone": "good", "value": ", ".join(hosts)}
    if one.there:
        started = min(beat.started_at for beat in one.there)
        running = ngettext("%(number)s running", "%(number)s running", len(one.there)) % {"number": len(one.there)}
        age = _("the oldest for %(age)s") % {"age": timesince(started, now, depth=1)}
        line["note"] = f"{running}, {age}"
    elif one.seen_at:
        seen = _("last seen on %(host)s") % {"host": one.seen_on}
        line |= {"tone": "bad", "value": _("not running"), "note": seen, "since": both_zones(one.seen_at)}
    else:
        line |= {"tone": "bad", "value": _("not running"), "note": _("not seen during the last day")}
    if waits:
        line |= {"tone": "wait", "note": "; ".join(waits)}
    return line
