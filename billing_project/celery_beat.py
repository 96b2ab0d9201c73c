"""Beat's clockwork: Celery's, that keeps nothing on disk, heeds jumps of its clock, and rings no more than is heard."""

import time
from typing import Any

import redis
import structlog
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from kombu.exceptions import OperationalError

from billing_project.progress import progress
from payments.heartbeats import heart_of
from payments.limits import KEY_PREFIX, SWEEP_QUEUE, connect_redis

log = structlog.get_logger(__name__)

# Seconds. What clocks are corrected by all the time is far less.
CLOCK_JUMPS = 0.5

# Of the queue: with more messages in it nobody takes any, and who comes back would do the same thing over and over.
# They have no time of expiry, as a worker whose clock is ahead of beat's by that much would hear none of them.
MOST_WAITING = 20


class Beat(Scheduler):
    """Keeps nothing on disk, as the rows know what is due; and says once that Redis is away, not at every beat."""

    _redis_is_away = False
    _ends = False
    _clock_offset = time.time() - time.monotonic()

    def end(self, *_: Any) -> None:
        """A signal asks for the end. Celery's own handler closes the connection under whoever reads from it: what the
        reader raises then takes the place of `SystemExit`, is taken for trouble with Redis, and beat goes on for ever.
        """
        if not self._ends:
            self._ends = True
            raise SystemExit

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due. Raises `SystemExit` where the one that `end` raised was lost on its way."""
        if self._ends:
            raise SystemExit
        self._heed_clock()
        return super().tick(*args, **kwargs)

    def _heed_clock(self) -> None:
        """A clock that is put back would keep all from being due until it is as late again: count anew from now."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._clock_offset) > CLOCK_JUMPS:
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            self._heap = None
        self._clock_offset = offset

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send one task, unless nobody takes any. Raises nothing: the next beat comes anyway."""
        heart_of("beat").note()
        progress.touch()
        try:
            if connect_redis().llen(KEY_PREFIX + SWEEP_QUEUE) < MOST_WAITING:
                self.apply_async(entry, producer=producer, advance=False)
        except redis.RedisError as error:
            self._redis_went(error)
        except SchedulingError as error:
            trouble = error.__context__
            if isinstance(trouble, OperationalError | OSError):
                self._redis_went(trouble)
            else:
                log.error("task not sent", task=entry.task, error=type(trouble).__name__, exc_info=trouble)
        else:
            if self._redis_is_away:
                self._redis_is_away = False
                heart_of("beat").tell(waits_for=None)
                log.info("beat goes on")

    def _redis_went(self, trouble: Exception) -> None:
        if not self._redis_is_away:
            self._redis_is_away = True
            heart_of("beat").tell(waits_for="Redis does not answer (REDIS_URL)")
            log.warning("waiting", why="Redis does not answer (REDIS_URL)", error=type(trouble).__name__)

    def close(self) -> None:
        """Beat ends."""
        super().close()
        progress.end()
