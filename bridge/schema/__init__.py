"""The event `payment.createInitial`: bytes to a `PaymentRequest`, or to a reason that a person understands.

Tolerant of what NestJS and its neighbours add (headers, unknown fields), strict about money: a price is parsed
as Decimal, never as float. A reason names what was found and the fix, and never quotes a value, which may be personal.

`parsing` (bytes to an object), `event` (the object's fields), `diagnosis` (what it is that isn't an event).
"""

from bridge.schema.event import decode
from bridge.schema.parsing import MAX_DEPTH, MAX_VALUE
from payments.intake import Headers

__all__ = ["MAX_DEPTH", "MAX_VALUE", "Headers", "decode"]
