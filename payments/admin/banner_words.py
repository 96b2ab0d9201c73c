"""What the banners say: for people who run no servers, what it means for customers, and whom to tell or what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.admin.times import both_zones

SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True, kw_only=True)
class Banner:
    """One of `SEVERITIES`; a title, what it means and what to do, each one sentence; and where to look."""

    kind: str
    severity: str
    title: str
    since: str
    meaning: str
    to_do: str
    link: str = ""
    link_text: str = ""


Words = dict[str, str]


def say(*, kind: str, since: datetime | None, facts: dict[str, Any]) -> Banner:
    """In the language of whoever looks."""
    return Banner(kind=kind, since=both_zones(since) if since else "", **_WORDS[kind](facts))


def process_name(process: str) -> str:
    """What a process is called and does, for people."""
    return {
        "bridge": _("bridge (takes orders in)"),
        "worker": _("worker (charges)"),
        "beat": _("beat (wakes the worker up)"),
        "relay": _("relay (sends notifications)"),
        "web": _("web (this site)"),
    }[process]


def _refused_key(facts: dict[str, Any]) -> Words:
    return {
        "severity": "critical",
        "title": _("Stripe refuses our key"),
        "meaning": _("Nobody is charged; payments wait as pending and none is failed (%(reason)s).") % facts,
        "to_do": _("Tell whoever runs the service to set a valid STRIPE_SECRET_KEY; charging then goes on by itself."),
    }


def _paused(facts: dict[str, Any]) -> Words:
    return {
        "severity": "critical",
        "title": _("Charging is paused by %(who)s") % facts,
        "meaning": _("New payments are taken in and wait as pending. The reason given: %(reason)s") % facts,
        "to_do": _("Tell customers that nothing was taken yet; whoever paused it resumes it with manage.py resume."),
    }


def _restored(facts: dict[str, Any]) -> Words:
    return {
        "severity": "critical",
        "title": _("Charging is paused: the database was restored"),
        "meaning": _("Some payments may be missing here, so nobody is charged until Stripe was asked about them."),
        "to_do": _(facts["reason"]) if facts["reason"] else "",
    }


def _outage(facts: dict[str, Any]) -> Words:
    return {
        "severity": "critical",
        "title": _("Stripe does not answer"),
        "meaning": _("Charging waits, so that nobody's outcome becomes unknown; payments stay pending meanwhile."),
        "to_do": _("Nothing: Stripe is asked every 15 seconds and charging goes on by itself; see status.stripe.com."),
    }


_WITHOUT: dict[str, Callable[[], str]] = {
    "bridge": lambda: _("New orders wait in Kafka and don't appear here; nothing is lost."),
    "worker": lambda: _("Nobody is charged, nothing is retried and no refund goes out; all of it waits."),
    "beat": lambda: _("Nothing is retried or looked up by itself, and the dashboard's numbers stand still."),
    "relay": lambda: _("Customers get no e-mail about payments and failures; all of it is sent later."),
}


def _missing(facts: dict[str, Any]) -> Words:
    process = facts["process"]
    where = {"process": process_name(process), "host": facts["host"]}
    hint = _("It may also run and not reach the database.")
    if process in ("worker", "beat"):
        hint = _("It may also run and not reach Redis.")
    to_do = _("Tell whoever runs the service to start it (last seen on %(host)s).") % where
    if not facts["host"]:
        to_do = _("Tell whoever runs the service to start it; it was not seen during the last day.")
    return {
        "severity": "critical",
        "title": _("No %(process)s is running") % where,
        "meaning": _WITHOUT[process](),
        "to_do": f"{to_do} {hint}",
        "link": reverse("admin:index") + "#machinery",
        "link_text": _("Processes"),
    }


def _waits(facts: dict[str, Any]) -> Words:
    return {
        "severity": "critical",
        "title": _("The %(process)s waits") % {"process": process_name(facts["process"])},
        "meaning": _("It says: %(why)s.") % facts,
        "to_do": _("Tell whoever runs the service; it goes on by itself when that is mended."),
    }


def _relay_behind(facts: dict[str, Any]) -> Words:
    return {
        "severity": "warning",
        "title": _("Notifications are late"),
        "meaning": _("Customers hear later than they should how their payments ended."),
        "to_do": _("Wait a minute; if it lasts, tell whoever runs the service that the relay is behind."),
        "link": reverse("admin:payments_outboxmessage_changelist") + "?published_at__isnull=1&refused_at__isnull=1",
        "link_text": _("What waits"),
    }


def _live_key(facts: dict[str, Any]) -> Words:
    return {
        "severity": "critical",
        "title": _("A live key beside payments in test mode"),
        "meaning": _("This database holds payments that no money was taken for, and the key moves real money."),
        "to_do": _("Tell whoever runs the service at once: this database or this key is the wrong one."),
    }


def _test_key(facts: dict[str, Any]) -> Words:
    return {
        "severity": "critical",
        "title": _("A test key beside live payments"),
        "meaning": _("This database holds payments of real money, and with this key Stripe knows none of them."),
        "to_do": _("Tell whoever runs the service at once: this database or this key is the wrong one."),
    }


def _webhooks_off(facts: dict[str, Any]) -> Words:
    return {
        "severity": "info",
        "title": _("Stripe's webhooks are switched off"),
        "meaning": _("What Stripe learns late, such as disputes and slow payments, shows here only when it is asked."),
        "to_do": _("Whoever runs the service sets STRIPE_WEBHOOK_SECRET to the secret of the endpoint at Stripe."),
    }


def _webhooks_refused(facts: dict[str, Any]) -> Words:
    why = {
        "signature": _("signed with another secret, or not by Stripe"),
        "too_old": _("signed too long ago: a clock is wrong, or they were held up"),
    }.get(facts["why"], facts["why"])
    found = ngettext("%(number)s webhook was refused", "%(number)s webhooks were refused", facts["number"])
    return {
        "severity": "warning",
        "title": found % facts,
        "meaning": _("None was accepted since the last of them: %(why)s.") % {"why": why},
        "to_do": _("If Stripe's dashboard shows failed deliveries, STRIPE_WEBHOOK_SECRET is another endpoint's."),
    }


def _webhooks_silent(facts: dict[str, Any]) -> Words:
    return {
        "severity": "warning",
        "title": _("No webhook comes from Stripe"),
        "meaning": _("Payments were made lately, and Stripe told nothing about them by itself."),
        "to_do": _("Whoever runs the service looks at the endpoint in Stripe's dashboard: is its address right?"),
    }


def _breaks(facts: dict[str, Any]) -> Words:
    found = ngettext("%(number)s difference from Stripe", "%(number)s differences from Stripe", facts["number"])
    return {
        "severity": "warning",
        "title": found % facts,
        "meaning": _("Stripe and this service disagree about whether, or how much, somebody has paid."),
        "to_do": _("Finance opens each, reads what is there and what is here, and settles it."),
        "link": reverse("admin:payments_break_changelist") + "?closed_at__isnull=1",
        "link_text": _("Open differences"),
    }


_WORDS: dict[str, Callable[[dict[str, Any]], Words]] = {
    "paused_key": _refused_key,
    "paused_staff": _paused,
    "paused_restored": _restored,
    "paused_outage": _outage,
    "missing": _missing,
    "waits": _waits,
    "relay_behind": _relay_behind,
    "live_key": _live_key,
    "test_key": _test_key,
    "webhooks_off": _webhooks_off,
    "webhooks_refused": _webhooks_refused,
    "webhooks_silent": _webhooks_silent,
    "breaks": _breaks,
}
