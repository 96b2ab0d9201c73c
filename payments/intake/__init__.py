"""The front door: records in, verdicts and payments out, in one transaction.

`requests` (what a record asks for), `masking` (card numbers: pure) and `stored` (what is kept of a record), `judge`
(who is a duplicate: pure), `accept` (write it all), `positions` (how far each partition has been taken in, and
whether the database has forgotten some of it), `parked` (what a person makes of what was set aside).
"""

from payments.intake.accept import Accepted, accept
from payments.intake.masking import has_card_number
from payments.intake.parked import Dismissed, Duplicate, NotParked, Replayed, StillParked, dismiss, replay
from payments.intake.positions import Behind, Forgotten, begin, find_forgotten, stop_charging
from payments.intake.requests import Headers, PaymentRequest, Record, Rejection
from payments.tasks import ring

__all__ = [
    "Accepted",
    "Behind",
    "Dismissed",
    "Duplicate",
    "Forgotten",
    "Headers",
    "NotParked",
    "PaymentRequest",
    "Record",
    "Rejection",
    "Replayed",
    "StillParked",
    "accept",
    "begin",
    "dismiss",
    "find_forgotten",
    "has_card_number",
    "replay",
    "ring",
    "stop_charging",
]
