"""What can break, by kind: the table from which a plan is drawn."""

import random
import signal
from collections.abc import Iterator

import psutil

from tests.chaos.big_days import big_days
from tests.chaos.fault import Fault, InVain, Strike, away
from tests.chaos.faults_of_clocks import faults_of_clocks
from tests.chaos.faults_of_network import faults_of_network
from tests.chaos.faults_of_services import faults_of_services
from tests.chaos.faults_of_stripe import faults_of_stripe
from tests.chaos.parts import KINDS
from tests.chaos.processes import frozen
from tests.chaos.system import System

# In good order, before it had begun, and when it was late.
IN_ORDER = (0, -signal.SIGTERM, -signal.SIGKILL)
# What a bridge says that can't leave its group, as Kafka doesn't answer: its exit code is 1.
BY_FORCE = "ended by force"


def killed(kind: str) -> Strike:
    """SIGKILL to one of its kind; a while later there is another one."""

    def strike(system: System, chance: random.Random) -> None:
        name = _one_of(system, kind, chance)
        lived = system.kill(name)
        away(chance, (0.0, 1.5))
        system.start(name)
        if not lived:
            raise InVain

    return strike


def told_to_end(kind: str) -> Strike:
    """SIGTERM; when it has ended there is another one."""

    def strike(system: System, chance: random.Random) -> None:
        name = _one_of(system, kind, chance)
        said = len(system.log(name).read_bytes())
        code = system.stop(name)
        last_words = system.log(name).read_bytes()[said:].decode(errors="replace")
        system.start(name)
        is_known = code in IN_ORDER or (code == 1 and BY_FORCE in last_words)
        # Of one that was late `late_to_end` tells, and what the version before does is known.
        assert is_known or system.is_previous, f"{name} ended with {code}: {last_words[-1000:]}"

    return strike


def stands_still(kind: str) -> Strike:
    """SIGSTOP, and SIGCONT."""

    def strike(system: System, chance: random.Random) -> None:
        process = psutil.Process(system.pid(_one_of(system, kind, chance)))
        with frozen(process, *process.children(recursive=True)):
            away(chance, (1.0, 8.0))

    return strike


def all_faults(*, with_small_disk: bool) -> tuple[Fault, ...]:
    """All that can be had on this machine."""
    services = faults_of_services(with_small_disk=with_small_disk)
    return (*_of_processes(), *services, *faults_of_network(), *faults_of_stripe(), *faults_of_clocks(), *big_days())


def _of_processes() -> Iterator[Fault]:
    strikes = (("kill", "SIGKILL", killed), ("end", "SIGTERM", told_to_end), ("freeze", "SIGSTOP", stands_still))
    for kind, name, strike in strikes:
        for process in KINDS:
            yield Fault(kind=kind, name=f"{name} {process}", on=process, strike=strike(process))


def _one_of(system: System, kind: str, chance: random.Random) -> str:
    return chance.choice([name for name in system.names if name.startswith(kind)])
