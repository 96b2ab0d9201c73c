"""How a card's behaviour is written in a control request: words, documented ids, or the fields of a decline."""

from __future__ import annotations

from typing import Any

from .cards import KNOWN, Authentication, Behaviour, Card, Decline, Processing, Success, find_known

Step = str | dict[str, Any]

PLAIN_STEPS: dict[str, Behaviour] = {
    "success": Success(),
    "authentication": Authentication(),
    "processing": Processing(),
}


def find_look_alike(identifier: str) -> tuple[Card, Behaviour]:
    """Return a documented card and what it does; raises a ValueError that says how to find one."""
    known = find_known(identifier, prefix="pm_card_")
    if known is None:
        raise ValueError(f"{identifier} is not a documented test method; there are {len(KNOWN)}, see cards.py")
    return known


def read_steps(behaviour: Step | list[Step]) -> list[Behaviour]:
    """Return one step, or several in turn."""
    steps = behaviour if isinstance(behaviour, list) else [behaviour]
    if not steps:
        raise ValueError("a behaviour has at least one step")
    return [read_step(step) for step in steps]


def read_step(step: Step) -> Behaviour:
    """Return what this step means."""
    if isinstance(step, dict):
        return Decline(**step)
    return PLAIN_STEPS[step] if step in PLAIN_STEPS else find_look_alike(step)[1]
