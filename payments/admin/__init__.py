"""The admin, read-only: staff see payments with their attempts and history, and change nothing here.

`payment` (the list, and one payment's whole story), `money_back` (refunds, disputes), `messages` (what came in and
what is told), `books` (reconciliation), `staff` (who did or looked at what), `job` (what staff ask for), `statements`
(a month for who keeps the books). `personal` hides what not everybody may see, `watched` notes who looked. What they
call things is in `labels`.
"""

from payments.admin import books, job, messages, money_back, payment, staff, statements
from payments.admin.labels import label

__all__ = ["books", "job", "messages", "money_back", "payment", "staff", "statements"]

label()
