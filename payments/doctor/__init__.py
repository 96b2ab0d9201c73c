"""Is all well with what money depends on: database, Redis, Stripe, processes, and what flows. Looks, changes nothing.

`on_database`, `on_redis`, `on_stripe`, `on_processes`, `on_flow`; Kafka is the bridge's, and all of it comes together
in `billing_project.doctor`.
"""

from payments.doctor.on_database import for_people, judge_space, keeps_session, look_at_database, look_closer
from payments.doctor.on_flow import look_at_flow
from payments.doctor.on_processes import look_at_processes
from payments.doctor.on_redis import look_at_redis
from payments.doctor.on_stripe import look_at_modes, look_at_stripe

__all__ = [
    "for_people",
    "judge_space",
    "keeps_session",
    "look_at_database",
    "look_at_flow",
    "look_at_modes",
    "look_at_processes",
    "look_at_redis",
    "look_at_stripe",
    "look_closer",
]
