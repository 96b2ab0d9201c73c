"""The Django app of the bridge: its management commands."""

from django.apps import AppConfig


class BridgeConfig(AppConfig):
    """Kafka in, Kafka out."""

    name = "bridge"
