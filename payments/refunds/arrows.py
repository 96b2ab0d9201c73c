"""The allowed arrows between the states of a refund: one table, which code and tests read, and a trigger holds."""

# What Stripe has said of a refund that it has.
_TAKEN = frozenset({"succeeded", "failed", "canceled"})
REFUND_ARROWS: dict[str, frozenset[str]] = {
    "sending": _TAKEN | {"unknown", "pending", "rejected"},
    "unknown": _TAKEN | {"pending", "rejected"},
    "pending": _TAKEN,
    # Days later: the bank couldn't credit it, and has given it back.
    "succeeded": frozenset({"failed"}),
}

# Stripe's words, and ours. `requires_action` waits for the customer, as `pending` does for the bank; so does
# whatever Stripe may add one day: it has the refund, and is asked again.
STATE_BY_STATUS = {"succeeded": "succeeded", "failed": "failed", "canceled": "canceled"}
WAITING = "pending"
