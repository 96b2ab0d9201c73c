"""The front door: records in, verdicts and payments out, in one transaction.

`requests` (what a record asks for), `masking` (card numbers: pure) and `stored` (what is kept of a record), `judge`
(who is a duplicate: pure), `batch` (judge many under the locks of their subscriptions), `written` (their rows),
`accept` (all of it in one transaction), `positions` (how far each partition has been taken in, and
whether the database has forgotten some of it), `completeness` (which offsets have rows), `parked` (what a person
makes of what was set aside), `paid_before` and
`import_paid` (what the replaced service has charged).
"""

from payments.heartbeats import Heart, heart_of
from payments.intake.accept import Accepted, accept
from payments.intake.completeness import Taken, find_start, look_at_rows
from payments.intake.import_paid import Imported, NotImported, import_paid
from payments.intake.masking import has_card_number
from payments.intake.paid_before import PaidBefore, Problem, read_paid
from payments.intake.parked import (
    NEEDS_A_VALUE,
    Dismissed,
    Duplicate,
    NotParked,
    Replayed,
    StillParked,
    dismiss,
    is_as_it_came,
    replay,
)
from payments.intake.positions import Behind, Forgotten, begin, find_forgotten, is_made_anew, stop_charging
from payments.intake.requests import Headers, PaymentRequest, Record, Rejection, Topic
from payments.tasks import ring

__all__ = [
    "NEEDS_A_VALUE",
    "Accepted",
    "Behind",
    "Dismissed",
    "Duplicate",
    "Forgotten",
    "Headers",
    "Heart",
    "Imported",
    "NotImported",
    "NotParked",
    "PaidBefore",
    "PaymentRequest",
    "Problem",
    "Record",
    "Rejection",
    "Replayed",
    "StillParked",
    "Taken",
    "Topic",
    "accept",
    "begin",
    "dismiss",
    "find_forgotten",
    "find_start",
    "has_card_number",
    "heart_of",
    "import_paid",
    "is_as_it_came",
    "is_made_anew",
    "look_at_rows",
    "read_paid",
    "replay",
    "ring",
    "stop_charging",
]
