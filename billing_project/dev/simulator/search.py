"""Search over PaymentIntents. Its index lags, so that what it doesn't find may be there all the same.

It answers with the objects as it knew them: one that was paid a moment ago may still look unpaid.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .calls import Call, Found, limit_of
from .errors import invalid_parameter, not_simulated
from .ledger import Ledger
from .records import PaymentIntent

CLAUSE = re.compile(
    r"""(?:metadata\[(?P<m>["'])(?P<key>[^"']+)(?P=m)\]|(?P<field>[a-z_]+)):(?P<q>["'])(?P<value>[^"']*)(?P=q)"""
)
FIELDS = frozenset({"currency", "customer", "status"})
PAGE = "page_"

Test = Callable[[PaymentIntent], bool]


def search_payment_intents(ledger: Ledger, call: Call) -> Found:
    """Find PaymentIntents, newest first, by `metadata['key']:'value'`, status, currency or customer, joined by AND."""
    tests = [_read(clause) for clause in re.split(r"\s+AND\s+", call.params["query"].strip())]
    start = _offset(call.params.get("page"))
    found = [intent for intent in ledger.searchable.newest_first() if all(test(intent) for test in tests)]
    end = start + limit_of(call)
    return Found(found[start:end], next_page=f"{PAGE}{end}" if end < len(found) else None)


def _read(clause: str) -> Test:
    match = CLAUSE.fullmatch(clause)
    if match is None:
        raise not_simulated(f"query={clause}")
    key, field, value = match["key"], match["field"], match["value"]
    if key is not None:
        return lambda intent: intent.metadata.get(key) == value
    if field not in FIELDS:
        raise not_simulated(f"query={clause}")
    return lambda intent: getattr(intent, field) == value


def _offset(page: str | None) -> int:
    if page is None:
        return 0
    if not re.fullmatch(PAGE + r"\d+", page):
        raise invalid_parameter(f"Invalid page: {page}", param="page")
    return int(page.removeprefix(PAGE))
