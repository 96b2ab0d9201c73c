"""Retention: what is old and needed by nobody goes, and what is of a person is emptied; what a promise needs stays.

`keep` (how long each is kept), `records` (which of the inbox may go), `others` (which of the outbox, webhooks, jobs),
`personal` (what is emptied), `run` (all of it, in small batches), `forget` (one user, at once).
"""

from payments.retention.forget import Forgotten, NotForgettable, forget, preview_forgetting
from payments.retention.keep import KINDS, Kind, kept_for
from payments.retention.run import Step, count_prunable, prune, prune_daily

__all__ = [
    "KINDS",
    "Forgotten",
    "Kind",
    "NotForgettable",
    "Step",
    "count_prunable",
    "forget",
    "kept_for",
    "preview_forgetting",
    "prune",
    "prune_daily",
]
