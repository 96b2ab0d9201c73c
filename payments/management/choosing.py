"""Which payments a command is about: one by any id, or many by what failed, when, and of whom."""

import sys
import uuid
from argparse import ArgumentParser
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Exists, OuterRef, Q, QuerySet

from payments import explain, money
from payments.management.moments import read_moment
from payments.management.terminal import read_price
from payments.models import Attempt, Payment

FILTERS = (
    "since", "until", "fault", "kind", "code", "currency", "min_amount", "max_amount", "user", "subscription", "ids",
)  # fmt: skip
AT_ONCE = 1_000
# Of lines that can't be used: enough to see what is wrong with a file.
NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """How many, and each of them, the oldest failure first: to be closed in the transaction that reads them."""

    count: int
    payments: Generator[Payment]


def find_payment(any_id: str) -> Payment:
    """The one payment that an id, a subscription or a pi_… is of; of a subscription's payments the last one.

    Raises `CommandError` where there is none, or more than one subscription's.
    """
    found = explain.find(any_id)
    if not isinstance(found, explain.FoundPayments):
        raise CommandError(f"there is no payment {any_id}")
    payments = list(Payment.objects.filter(id__in=found.ids).order_by("-number"))
    if found.more or len({payment.subscription_id for payment in payments}) > 1:
        raise CommandError(f"{any_id} is of several payments: name one, as manage.py explain lists them")
    return payments[0]


def add_filters(parser: ArgumentParser) -> None:
    """Each narrows what is chosen; of one that is given several times any will do."""
    group = parser.add_argument_group("which payments; all that have failed if nothing is said")
    group.add_argument("--since", type=read_moment, help="failed since then: 30m, 2h, 7d, or 2026-01-31T12:00 (UTC)")
    group.add_argument("--until", type=read_moment, help="failed before then")
    group.add_argument("--fault", action="append", choices=["customer", "issuer", "us", "stripe"], help="whose fault")
    group.add_argument("--kind", action="append", choices=["soft", "hard", "action"])
    group.add_argument("--code", action="append", help="failed with this code, e.g. insufficient_funds")
    group.add_argument("--currency", action="append", type=str.upper)
    group.add_argument("--min-amount", type=read_price, help="as people write it, 12.50; needs one --currency")
    group.add_argument("--max-amount", type=read_price, help="likewise")
    group.add_argument("--user", action="append", help="of this user's id")
    group.add_argument("--subscription", action="append")
    help_ids = "those in this file, - for standard input: one payment, subscription or pi_… a line"
    group.add_argument("--ids", metavar="FILE", help=help_ids)


def has_filters(options: dict[str, Any]) -> bool:
    """Whether any of them is given."""
    return any(options[name] is not None for name in FILTERS)


def choose(options: dict[str, Any]) -> Chosen:
    """What the filters say: all that has failed, closed ones too, and what may have: the reader is told of each.

    A file of ids is taken at its word: whatever state these are in. Raises `CommandError`.
    """
    wanted = _by_what_they_are(options)
    classes = Q()
    for name in ("fault", "kind", "code"):
        if options[name]:
            classes &= Q(**{f"{name}__in": options[name]})
    if options["ids"] is not None:
        ids = _find_all(_read_lines(options["ids"]))
        sets = [Payment.objects.filter(wanted, classes, _between("settled_at", options), id__in=ids)]
    else:
        failed = Q(status=Payment.Status.FAILED)
        sets = [Payment.objects.filter(wanted, classes, _between("settled_at", options), failed)]
        if not classes:
            sets.append(_unknown(options).filter(wanted))
    return Chosen(count=sum(one.count() for one in sets), payments=_all_of(sets))


def _unknown(options: dict[str, Any]) -> QuerySet[Payment]:
    """What has no outcome yet, and so neither a code nor a time at which it failed."""
    attempts = Attempt.objects.filter(_between("created_at", options), payment=OuterRef("pk"), state="unknown")
    return Payment.objects.filter(Exists(attempts), status=Payment.Status.PENDING)


def _all_of(sets: Sequence[QuerySet[Payment]]) -> Generator[Payment]:
    for one in sets:
        yield from one.order_by("settled_at", "id").iterator(chunk_size=AT_ONCE)


def _between(field: str, options: dict[str, Any]) -> Q:
    since, until = options["since"], options["until"]
    if since and until and since >= until:
        raise CommandError("--since must be before --until")
    wanted = Q(**{f"{field}__gte": since}) if since else Q()
    return wanted & Q(**{f"{field}__lt": until}) if until else wanted


def _by_what_they_are(options: dict[str, Any]) -> Q:
    names = {"currency": "currency", "user": "user_id", "subscription": "subscription_id"}
    wanted = Q()
    for option, field in names.items():
        if options[option]:
            wanted &= Q(**{f"{field}__in": options[option]})
    for option, ending in (("min_amount", "gte"), ("max_amount", "lte")):
        if options[option] is not None:
            wanted &= Q(**{f"amount__{ending}": _minor(options[option], options["currency"])})
    return wanted


def _minor(price: Decimal, currencies: list[str] | None) -> int:
    if not currencies or len(currencies) > 1:
        raise CommandError("an amount needs one --currency: 100 is much or little")
    try:
        return money.to_minor(price, currency=currencies[0], unit="major")
    except money.PriceInvalid as invalid:
        raise CommandError(f"the amount {invalid}") from None


def _read_lines(name: str) -> list[str]:
    """Its lines; what follows a # is for people."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise CommandError(f"--ids: {name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"--ids: {name} can't be read as UTF-8") from None
    return [line.partition("#")[0].strip() for line in text.splitlines()]


def _find_all(lines: list[str]) -> set[uuid.UUID]:
    """All lines or none: what somebody typed wrong must not be passed over."""
    found: set[uuid.UUID] = set()
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            found |= {find_payment(line).id} if line else set()
        except CommandError as problem:
            problems.append(f"line {number}: {problem}")
    if problems:
        more = [f"and {len(problems) - NAMED} more"] * (len(problems) > NAMED)
        raise CommandError("\n".join(["nothing was looked at:", *problems[:NAMED], *more]))
    return found
