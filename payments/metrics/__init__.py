"""Numbers from rows, for people and for Prometheus: what was paid and declined, and what waits for whom.

`hours` (payments counted by the hour, kept up to date), `periods` (an hour, a day, a week, a month of them),
`standing` (what is open just now, counted where it stands), `machinery` (queue, outbox, limits, processes), `outside`
(webhooks, and whose mode the payments are of), `in_hand` (what a stop has to wait for), `under_way` (what is due, and
money at each stage), `names` and `exposition` (all of that as Prometheus reads it).
"""

from payments.metrics.exposition import CONTENT_TYPE, expose
from payments.metrics.hours import count_hours
from payments.metrics.in_hand import InHand, look_in_hand
from payments.metrics.machinery import Machinery, Running, look_at_machinery, oldest_waiting, who_runs
from payments.metrics.outside import Webhooks, look_at_webhooks, other_mode_since
from payments.metrics.periods import Bar, Decline, OverTime, Period, Volume, look_back
from payments.metrics.standing import MOST_COUNTED, SLOW_AFTER, TO_BE_ANSWERED, Standing, count, look_at_open

__all__ = [
    "CONTENT_TYPE",
    "MOST_COUNTED",
    "SLOW_AFTER",
    "TO_BE_ANSWERED",
    "Bar",
    "Decline",
    "InHand",
    "Machinery",
    "OverTime",
    "Period",
    "Running",
    "Standing",
    "Volume",
    "Webhooks",
    "count",
    "count_hours",
    "expose",
    "look_at_machinery",
    "look_at_open",
    "look_at_webhooks",
    "look_back",
    "look_in_hand",
    "oldest_waiting",
    "other_mode_since",
    "who_runs",
]
