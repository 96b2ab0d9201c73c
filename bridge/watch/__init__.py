"""Watching bridge and relay: metrics, lag, retention, a watchdog, a health file."""

from bridge.watch.health import Health
from bridge.watch.member import MemberWatch
from bridge.watch.process import watched, watching
from bridge.watch.publisher import RelayWatch

__all__ = ["Health", "MemberWatch", "RelayWatch", "watched", "watching"]
