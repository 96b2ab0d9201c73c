"""The front door: records in, verdicts and payments out, in one transaction.

`requests` (what a record asks for), `judge` (who is a duplicate: pure), `accept` (write it all).
"""

from payments.intake.accept import Accepted, accept
from payments.intake.requests import PaymentRequest, Record, Rejection
from payments.tasks import ring

__all__ = ["Accepted", "PaymentRequest", "Record", "Rejection", "accept", "ring"]
