"""Kafka: the only place that imports its client, with the settings that hold a promise."""

from bridge.kafka.check import Process, check
from bridge.kafka.delivered import Delivered
from bridge.kafka.errors import Fenced, KafkaAway, KafkaRefuses
from bridge.kafka.findings import Finding
from bridge.kafka.kept import Kept, look_at_kept
from bridge.kafka.lag import Lag, Look, LookFailed, Looks, Place
from bridge.kafka.sink import Outgoing, Sink, Unpublishable
from bridge.kafka.source import Source
from bridge.kafka.topics import make_topics
from bridge.kafka.where import Where, read_where

__all__ = [
    "Delivered",
    "Fenced",
    "Finding",
    "KafkaAway",
    "KafkaRefuses",
    "Kept",
    "Lag",
    "Look",
    "LookFailed",
    "Looks",
    "Outgoing",
    "Place",
    "Process",
    "Sink",
    "Source",
    "Unpublishable",
    "Where",
    "check",
    "look_at_kept",
    "make_topics",
    "read_where",
]
