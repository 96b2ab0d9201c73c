"""The allowed arrows between the states of an attempt: one table, which code and tests read."""

# The states an attempt may end in, from each open one; the others are final but for the customer's own act.
_FROM_OPEN = frozenset({"unknown", "processing", "action_required", "succeeded", "declined", "rejected", "superseded"})
ARROWS: dict[str, frozenset[str]] = {
    "sending": _FROM_OPEN,
    "unknown": _FROM_OPEN,
    "processing": _FROM_OPEN,
    "action_required": frozenset({"succeeded", "superseded"}),
}
