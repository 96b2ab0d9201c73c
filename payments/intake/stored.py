"""What is kept of a record: as it came, but without card numbers, and no more of it than anybody will read.

Whatever is written, published or shown afterwards is this. The record's identity stays the hash of what came.
"""

import hashlib
from collections.abc import Collection
from dataclasses import replace

from payments.intake import masking
from payments.intake.requests import PaymentRequest, Record, Rejection

# Kafka lets through no more by default. Of what is longer, the rest is in the topic, for as long as that keeps it.
MAX_STORED = 1024 * 1024


def hash_of(record: Record) -> bytes:
    """SHA-256 of the value as it came."""
    return record.value_hash or hashlib.sha256(record.value or b"").digest()


def as_stored(record: Record) -> Record:
    """The same record with card numbers masked wherever it has them, and a value that is too long cut."""
    if _is_clean(record):
        return record
    ids = _ids(record.wish)
    return replace(
        record,
        value_hash=hash_of(record),
        key=record.key and masking.mask(record.key, but=ids, json=False),
        value=record.value and masking.mask(record.value, but=ids)[:MAX_STORED],
        headers=tuple(
            (masking.mask_text(name), value and masking.mask(value, but=ids, json=False))
            for name, value in record.headers
        ),
        wish=_masked(record.wish, ids),
    )


def _is_clean(record: Record) -> bool:
    """Nearly every record is, and is not looked at more closely."""
    value = record.value or b""
    if len(value) > MAX_STORED or (masking.may_hold_one(value) and not _is_plain(value, record.wish)):
        return False
    if record.key and masking.may_hold_one(record.key):
        return False
    return not any(
        masking.may_hold_one(name.encode("utf-8", "surrogatepass")) or (content and masking.may_hold_one(content))
        for name, content in record.headers
    )


def _is_plain(value: bytes, wish: PaymentRequest | Rejection) -> bool:
    """Whether a second look finds no card number: digits and letters of UUIDs look like the beginning of one. Only for
    an event whose texts stand in the value as they are, and whose user has nothing but texts."""
    return (
        isinstance(wish, PaymentRequest)
        and b"\\" not in value
        and b"\0" not in value
        and all(type(one) is str for one in wish.user_as_sent.values())
        and not masking.holds_one(value)
    )


def _ids(wish: PaymentRequest | Rejection) -> Collection[bytes]:
    """What only looks like a card number, by chance: masked, somebody else would pay, be told, or be a duplicate."""
    if isinstance(wish, Rejection):
        return ()
    ids = [wish.subscription, wish.user_id, wish.event_id]
    if "@" in wish.email:
        ids.append(wish.email)
    return frozenset[bytes]().union(*map(masking.card_numbers, ids))


def _masked(wish: PaymentRequest | Rejection, ids: Collection[bytes]) -> PaymentRequest | Rejection:
    if isinstance(wish, Rejection):
        return Rejection(reason=masking.mask_text(wish.reason))
    return replace(
        wish,
        user_as_sent=masking.mask_parsed(wish.user_as_sent, but=ids),
        email=masking.mask_text(wish.email, but=ids),
    )
