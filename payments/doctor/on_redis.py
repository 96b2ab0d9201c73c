"""Redis: whether it answers, drops nothing by itself, and still has its doorbells after a restart."""

from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from payments.finding import Finding, fail, judge_clock, ok, warn

PATIENCE = 2.0
# From so much of its memory on, the next backlog's doorbells may be refused.
NEARLY_FULL = 0.9


def look_at_redis() -> list[Finding]:
    """All of it, on a connection of its own; touches no database."""
    patience = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0)}
    with redis.Redis.from_url(settings.REDIS_URL, **patience) as client:
        try:
            began = datetime.now(UTC)
            seconds, microseconds = client.time()
            middle = began + (datetime.now(UTC) - began) / 2
            facts: dict[str, Any] = client.info()
        except redis.AuthenticationError:
            return [fail("redis", "does not accept our user and password", "set REDIS_URL right")]
        except NoPermissionError:
            fix = "allow INFO and TIME to our user, or look at its policy and persistence yourself"
            return [warn("redis", "answers, and doesn't tell how it is set", fix)]
        except redis.RedisError as error:
            # Doorbells only: nobody is charged later than by some seconds.
            return [fail("redis", f"does not answer ({type(error).__name__})", "start it, or set REDIS_URL right")]
    ahead = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds) - middle
    return [
        ok("redis", f"Redis {facts['redis_version']}"),
        judge_clock("redis clock", ahead),
        _judge_policy(str(facts["maxmemory_policy"])),
        _judge_memory(int(facts["used_memory"]), int(facts["maxmemory"])),
        _judge_persistence(is_on=bool(facts["aof_enabled"]), went_well=facts.get("aof_last_write_status") == "ok"),
    ]


def _judge_policy(policy: str) -> Finding:
    if policy == "noeviction":
        return ok("redis policy", "is noeviction")
    fix = "set maxmemory-policy noeviction, and give it an instance of its own"
    return fail("redis policy", f"is {policy}: it drops doorbells and limits when its memory is full", fix)


def _judge_memory(used: int, most: int) -> Finding:
    if not most:
        return ok("redis memory", f"{used / 1e6:.3g} MB, without a limit of its own")
    says = f"{used / 1e6:.3g} of {most / 1e6:.3g} MB"
    if used > most * NEARLY_FULL:
        return warn("redis memory", says, "raise maxmemory; look for what else is in it")
    return ok("redis memory", says)


def _judge_persistence(*, is_on: bool, went_well: bool) -> Finding:
    if not is_on:
        fix = "set appendonly yes; without it a restart costs the doorbells, and some seconds"
        return warn("redis persistence", "its append-only file is off", fix)
    if not went_well:
        return fail("redis persistence", "its append-only file can't be written", "look at its disk and its log")
    return ok("redis persistence", "its append-only file is on")
