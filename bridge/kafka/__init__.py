"""Kafka: the only place that imports its client, with the settings that hold a promise."""

from bridge.kafka.check import Process, check
from bridge.kafka.errors import Fenced, KafkaAway, KafkaRefuses
from bridge.kafka.findings import Finding
from bridge.kafka.sink import Outgoing, Sink, Unpublishable
from bridge.kafka.source import Delivered, Source
from bridge.kafka.topics import make_topics

__all__ = [
    "Delivered",
    "Fenced",
    "Finding",
    "KafkaAway",
    "KafkaRefuses",
    "Outgoing",
    "Process",
    "Sink",
    "Source",
    "Unpublishable",
    "check",
    "make_topics",
]
