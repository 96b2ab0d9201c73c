"""One record at a time, as a consumer whose handler is awaited before the next record is read: `python -m …`.

The shape of the service that was replaced: kafkajs' `eachMessage` on one partition. Here the records are in Redis.
"""

import os

import redis

from benchmarks.peers import shop

RECORDS = "one_at_a_time"


def run() -> None:
    """For ever."""
    records = redis.Redis.from_url(os.environ["REDIS_URL"])
    while True:
        if record := records.blpop([RECORDS], timeout=1):
            _, payment_id = record
            shop.charge(int(payment_id))


if __name__ == "__main__":
    run()
