"""The allowed arrows between states: tables that code and tests read, and that triggers hold in the database.

Staying where one is is no arrow: a row may be written again without being moved.
"""

# Success never changes, and nothing leaves a closed payment, whatever stands here.
STATUS_ARROWS: dict[str, frozenset[str]] = {
    "pending": frozenset({"success", "failed"}),
    "failed": frozenset({"pending", "success"}),
}

# An attempt begins with the intention to send, or is refused before anything is sent.
BEGINNINGS = frozenset({"sending", "refused"})

# The states an attempt may end in, from each open one; the others are final but for the customer's own act.
_FROM_OPEN = frozenset({"unknown", "processing", "action_required", "succeeded", "declined", "rejected", "superseded"})
ARROWS: dict[str, frozenset[str]] = {
    "sending": _FROM_OPEN,
    "unknown": _FROM_OPEN,
    "processing": _FROM_OPEN,
    "action_required": frozenset({"succeeded", "superseded"}),
}
