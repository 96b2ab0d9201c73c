"""Run random histories; make one that is red as small as can be found quickly, so that a person can read it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.test import override_settings

from payments.models import Attempt, Payment
from tests.proof.audit import Audit
from tests.proof.crowd import INGREDIENTS, Crowd
from tests.proof.crowd_audit import audit_crowd, audit_soon, audit_under_way
from tests.proof.history import Laboratory
from tests.proof.story import tell_story
from tests.proof.world import NeverRests


@dataclass(frozen=True, kw_only=True)
class History:
    """One random history by its seed; `ticks` and `without` make it smaller."""

    seed: int
    ticks: int | None = None
    without: frozenset[str] = frozenset()

    def __str__(self) -> str:
        ticks = "" if self.ticks is None else str(self.ticks)
        return f"random/{self.seed}/{ticks}/{','.join(sorted(self.without))}".rstrip("/")

    @classmethod
    def parse(cls, text: str) -> "History":
        """What `str` has written."""
        _, seed, ticks, without = (text + "///").split("/")[:4]
        names = frozenset(one for one in without.split(",") if one)
        return cls(seed=int(seed), ticks=int(ticks) if ticks else None, without=names)


@dataclass(frozen=True, kw_only=True)
class Red:
    """A history that broke a promise."""

    history: History
    broken: tuple[str, ...]
    story: str
    ticks: int


def run_random(laboratory: Laboratory, history: History, *, counted: bool = True) -> Red | None:
    """Live one random history to its rest, and audit it on the way and at the end."""
    world = found(laboratory, history)
    audits: list[Audit] = []
    world.after_death = lambda: audits.append(audit_under_way(world))
    world.when_soon = lambda: audits.append(audit_soon(world))
    broken: list[str] = []
    try:
        with override_settings(RETRY_SOFT_AFTER=world.behaviour.retries):
            world.live()
    except NeverRests as tired:
        broken.append(f"P5: {tired}")
    except Exception as trouble:  # noqa: BLE001 - it is a finding, whatever it is
        broken.append(f"unexpected: {type(trouble).__name__}: {trouble}")
    else:
        audits.append(audit_crowd(world))
    broken += [words for audit in audits for words in audit.broken]
    if counted:
        for audit in audits:
            laboratory.tally.checks.update(audit.checked)
        _count(laboratory, world)
    if not broken:
        return None
    return Red(history=history, broken=tuple(dict.fromkeys(broken)), story=tell_story(world), ticks=world.ticks)


def found(laboratory: Laboratory, history: History) -> Crowd:
    """The history's world, before anything has happened in it."""
    laboratory.empty()
    return Crowd(
        stripe=laboratory.stripe, session=laboratory.session,
        seed=history.seed, ticks=history.ticks, without=history.without,
    )  # fmt: skip


def shrink(laboratory: Laboratory, red: Red) -> Red:
    """Leave out one ingredient after the other, and then ticks from the end, while it stays red."""
    for name in INGREDIENTS:
        red = _still_red(laboratory, red, replace(red.history, without=red.history.without | {name})) or red
    step = red.ticks // 2
    while step:
        smaller = replace(red.history, ticks=red.ticks - step)
        still = _still_red(laboratory, red, smaller) if red.ticks > step else None
        red, step = (still, min(step, still.ticks // 2)) if still else (red, step // 2)
    return red


def find_red(laboratory: Laboratory, seeds: Iterable[int]) -> list[Red]:
    """Run all of these, and return those that broke a promise, the first of them made small."""
    reds = [red for seed in seeds if (red := run_random(laboratory, History(seed=seed)))]
    return [shrink(laboratory, reds[0]), *reds[1:]] if reds else []


def _still_red(laboratory: Laboratory, red: Red, smaller: History) -> Red | None:
    """The smaller history, if it breaks one of the same promises."""
    still = run_random(laboratory, smaller, counted=False)
    return still if still and _promises(still) & _promises(red) else None


def _promises(red: Red) -> set[str]:
    return {words.partition(":")[0] for words in red.broken}


def _count(laboratory: Laboratory, world: Crowd) -> None:
    tally = laboratory.tally
    tally.random_histories.update(
        histories=1, ticks=world.ticks, subscriptions=len(world.cast.parts), records=len(world.topic),
        payments=Payment.objects.count(), attempts=Attempt.objects.count(), deaths=world.deaths,
    )  # fmt: skip
    tally.ingredients.update(world.happened)
    tally.operations.update(world.gate.counts)
    tally.note_faults(world.accidents.script)
