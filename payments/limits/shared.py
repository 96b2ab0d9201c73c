"""The buckets that all workers share: one per endpoint, in Redis, by Redis's clock, as those of the workers differ.

Arithmetic, the same as in `local`: a bucket fills at its pace and holds a quarter of a second's worth, so that
no second sees more than 1.25 times the pace (25 at the default of 20, which is what Stripe allows). A 429 halves
the pace, once a second at most and not below one call a second; it recovers by a tenth of the setting in 10 s.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from payments.limits.connection import KEY_PREFIX, connect_redis
from payments.limits.endpoints import Endpoint, Granted, Wish

# Seconds of calls that an idle bucket has saved up; and at least two calls, or there is nothing to keep a share of.
BURST_SECONDS = 0.25
LEAST_BURST = 2.0

# After a 429: the factor, and what comes back of the setting per second; not more often than once a second, as
# the calls that are under way get theirs too.
DECREASE = 0.5
RECOVERY_PER_SECOND = 0.01
BETWEEN_DECREASES = 1.0

# A process that has asked for no token for so long has nothing in hand, and needs no share.
PROCESS_SECONDS = 30

BUCKETS = f"{KEY_PREFIX}stripe-buckets"
_KEYS = (BUCKETS, f"{KEY_PREFIX}stripe-processes")

# A pace that was halved to the least comes back within 100 s; an unused bucket is full within one.
_FORGET_MS = 120_000

_PRELUDE = f"""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local rate = tonumber(ARGV[1])
local loaded, recovered = {{}}, {{}}

local function bucket(name)
  if loaded[name] then return loaded[name] end
  local stored = redis.call('HMGET', KEYS[1], name .. ':tokens', name .. ':at', name .. ':share', name .. ':slowed')
  local found = {{at = tonumber(stored[2]) or now, share = tonumber(stored[3]) or 1, slowed = tonumber(stored[4])}}
  local since = math.max(0, now - found.at)
  if found.slowed then
    found.share = found.share + since * {RECOVERY_PER_SECOND}
    if found.share >= 1 then
      found.share, found.slowed = 1, nil
      recovered[#recovered + 1] = name
    end
  end
  found.rate = math.max(1, rate * found.share)
  found.burst = math.max({LEAST_BURST}, found.rate * {BURST_SECONDS})
  -- Of one that was never seen nobody knows what has just been taken: it begins with a single token.
  found.tokens = math.min(found.burst, (tonumber(stored[1]) or 1) + since * found.rate)
  loaded[name] = found
  return found
end

local function save()
  for name, one in pairs(loaded) do
    redis.call('HSET', KEYS[1], name .. ':tokens', string.format('%.6f', one.tokens),
               name .. ':at', string.format('%.6f', now))
    if one.slowed then
      redis.call('HSET', KEYS[1], name .. ':share', string.format('%.6f', one.share),
                 name .. ':slowed', string.format('%.6f', one.slowed))
    else
      redis.call('HDEL', KEYS[1], name .. ':share', name .. ':slowed')
    end
  end
  redis.call('PEXPIRE', KEYS[1], {_FORGET_MS})
end
"""

# ARGV: rate, this process, [[share to leave, [endpoint, …]], …]. Returns the places granted from 0, milliseconds to the
# next, processes seen lately, endpoints that are at full pace again.
_TAKE = f"""{_PRELUDE}
local granted, pause = {{}}, 0
for place, wish in ipairs(cjson.decode(ARGV[3])) do
  local short = 0
  for _, name in ipairs(wish[2]) do
    local one = bucket(name)
    short = math.max(short, (1 + wish[1] * (one.burst - 1) - one.tokens) / one.rate)
  end
  if short < 1e-6 then
    for _, name in ipairs(wish[2]) do bucket(name).tokens = bucket(name).tokens - 1 end
    granted[#granted + 1] = place - 1
  elseif pause == 0 or short < pause then
    pause = short
  end
end
save()
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - {PROCESS_SECONDS})
redis.call('EXPIRE', KEYS[2], {2 * PROCESS_SECONDS})
return {{granted, math.ceil(pause * 1000), redis.call('ZCARD', KEYS[2]), recovered}}
"""

# ARGV: rate, endpoint. Takes a token whether there is one or not. Returns milliseconds until it is there.
_RESERVE = f"""{_PRELUDE}
local one = bucket(ARGV[2])
one.tokens = one.tokens - 1
save()
return math.ceil(math.max(0, -one.tokens / one.rate) * 1000)
"""

# ARGV: rate, endpoint and how many, and so on.
_GIVE_BACK = f"""{_PRELUDE}
for place = 2, #ARGV, 2 do
  local one = bucket(ARGV[place])
  one.tokens = math.min(one.burst, one.tokens + tonumber(ARGV[place + 1]))
end
save()
return 0
"""

# ARGV: rate, endpoint. Returns the new rate in calls per 1,000 seconds, or 0 where nothing was changed.
_SLOW_DOWN = f"""{_PRELUDE}
local one = bucket(ARGV[2])
if one.rate <= 1 or (one.slowed and now - one.slowed < {BETWEEN_DECREASES}) then return 0 end
one.rate = math.max(1, one.rate * {DECREASE})
one.share, one.slowed = one.rate / rate, now
one.tokens = math.min(one.tokens, math.max({LEAST_BURST}, one.rate * {BURST_SECONDS}))
save()
return math.floor(one.rate * 1000)
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the shared buckets gave, and what they told beside it."""

    granted: Granted
    processes: int
    recovered: tuple[str, ...]


def take(*, wishes: Sequence[Wish], rate: float, process: str) -> Taken:
    """One round trip for any number of wishes and endpoints. Raises `redis.RedisError`."""
    asked = json.dumps([[wish.priority.value, [one.value for one in wish.calls]] for wish in wishes])
    places, milliseconds, processes, recovered = _run(_TAKE, rate, process, asked)
    return Taken(
        granted=Granted(places=tuple(places), pause=milliseconds / 1000),
        processes=int(processes),
        recovered=tuple(name.decode() for name in recovered),
    )


def reserve(*, endpoint: Endpoint, rate: float) -> float:
    """Seconds until a token is there that is taken now already. Raises `redis.RedisError`."""
    return int(_run(_RESERVE, rate, endpoint.value)) / 1000


def give_back(*, calls: Iterable[tuple[Endpoint, int]], rate: float) -> None:
    """Tokens that weren't used after all. Raises `redis.RedisError`."""
    _run(_GIVE_BACK, rate, *(part for endpoint, count in calls for part in (endpoint.value, count)))


def slow_down(*, endpoint: Endpoint, rate: float) -> float | None:
    """Halve its pace. Returns the new one, or None where it was done a moment ago. Raises `redis.RedisError`."""
    milli = int(_run(_SLOW_DOWN, rate, endpoint.value))
    return milli / 1000 if milli else None


def _run(script: str, *arguments: float | str) -> Any:
    """What the script returns, in Redis's types."""
    return _scripts(script)(keys=_KEYS, args=arguments, client=connect_redis())


@functools.cache
def _scripts(script: str) -> "redis.commands.core.Script":
    return connect_redis().register_script(script)
