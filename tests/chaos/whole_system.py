"""Everything, up: the services, a second broker, the simulator, the cables between them, and the processes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from billing_project.dev.services import Kafka, Services
from billing_project.dev.simulator import Simulator
from tests.chaos.network import Network
from tests.chaos.parts import LINKS, SECOND, USERS
from tests.chaos.sizes import Size
from tests.chaos.small_disk import mounted
from tests.chaos.system import System
from tests.e2e.deployment import ROOT

CACHE = ROOT / ".data" / "cache"


@contextmanager
def whole_system(*, folder: Path, size: Size, seed: int, previous: Path | None = None) -> Iterator[System]:
    """Everything, up, with the code of the previous version if there is one; and gone afterwards."""
    with ExitStack() as stack:
        network = stack.enter_context(Network(*LINKS))
        proxies = [network[f"{kind}-{name}"].port for name in ("kafka", SECOND) for kind in USERS["kafka"]]
        services = Services(data=folder / "services", cache=CACHE, durable=True, proxies=proxies[:2])
        disk = stack.enter_context(mounted(folder / "small_disk"))
        stack.enter_context(services)
        second = Kafka(folder=folder / "services" / "second", cache=CACHE, proxies=proxies[2:], joins=services.kafka)
        stack.callback(second.stop)
        second.start()
        stripe = stack.enter_context(Simulator(seed=seed))
        logs = folder / "logs"
        logs.mkdir(parents=True)
        system = System(folder=logs, services=services, stripe=stripe, network=network, size=size, second_broker=second)
        system.small_disk, system.previous = disk, previous
        system.root = previous or system.root
        yield stack.enter_context(system)
