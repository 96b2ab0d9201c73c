"""Dead letters: parked records, told to whoever reads the dead-letter topic."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from payments import notifications
from payments.models import InboxMessage, OutboxMessage

# A letter is for reading, and must fit where its record did, headers included: in a megabyte. The inbox has more.
MAX_LETTER = 256 * 1024
MAX_LETTER_KEY = 4 * 1024
MAX_LETTER_REASON = 1_000


def park(*, records: Sequence[InboxMessage], group: str, now: datetime) -> None:
    """Write parked records to the dead-letter channel, in the transaction that parks them. What is longer is cut."""
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            message_id=str(uuid.uuid5(notifications.NAMESPACE, f"parked/{record.id}")),
            channel=OutboxMessage.Channel.DEAD_LETTERS,
            key=record.key and bytes(record.key)[:MAX_LETTER_KEY],
            value=record.value and bytes(record.value)[:MAX_LETTER],
            headers={
                "original-topic": record.topic,
                "original-partition": record.partition,
                "original-offset": record.offset,
                "original-timestamp": int(record.recorded_at.timestamp() * 1000),
                "original-consumer-group": group,
                "exception-fqcn": record.verdict,
                "exception-message": record.reason[:MAX_LETTER_REASON],
            },
            record=record,
            created_at=now,
        )
        for record in records
    )
