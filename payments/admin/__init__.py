"""The admin, read-only: staff see payments with their attempts and history, and change nothing here.

`payment` (the list, and one payment's whole story), `money_back` (refunds, disputes), `messages` (what came in and
what is told), `books` (reconciliation). What they call things is in `labels`.
"""

from payments.admin import books, messages, money_back, payment
from payments.admin.labels import label

__all__ = ["books", "messages", "money_back", "payment"]

label()
