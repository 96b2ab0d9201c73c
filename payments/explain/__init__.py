"""Explain: what happened to a payment, in words that staff can repeat to a customer, with the evidence beside.

Must never happen: a false word. In the order it goes: `find` (whatever somebody gave, to payments), `known` (read what
the headline depends on), `conclude` (judge it; `pending`, `failed`, `paid`), `time_line`, `tell` (the whole story),
`records` and `webhooks` (what no payment came of), `text` (for a terminal, or as data). Reads rows, and changes none.
"""

from payments.explain.find import Found, FoundPayments, FoundRecord, FoundWebhook, find
from payments.explain.links import dashboard
from payments.explain.records import explain_record
from payments.explain.story import Conclusion, Event, Fact, Notice, Story
from payments.explain.tell import deadline_of, explain
from payments.explain.text import as_data, as_text, money_was_taken
from payments.explain.webhooks import explain_webhook

__all__ = [
    "Conclusion",
    "Event",
    "Fact",
    "Found",
    "FoundPayments",
    "FoundRecord",
    "FoundWebhook",
    "Notice",
    "Story",
    "as_data",
    "as_text",
    "dashboard",
    "deadline_of",
    "explain",
    "explain_record",
    "explain_webhook",
    "find",
    "money_was_taken",
]
