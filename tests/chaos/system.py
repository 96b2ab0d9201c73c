"""The whole system, as real processes: services, the simulator, a network between any two parts, and who keeps it up.

A process that has ended is started again, as an orchestrator would; whether anybody meant it to end is written down.
"""

import json
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2

from billing_project.dev.services import Kafka, Services
from billing_project.dev.services.process import find_free_ports
from billing_project.dev.simulator import Simulator
from tests.chaos.load import probe
from tests.chaos.network import Network
from tests.chaos.parts import KINDS, SECOND, SECRETS, USERS
from tests.chaos.processes import Ended, Measured, keep_where_it_is, measure
from tests.chaos.sender import Listener, Sender
from tests.chaos.sizes import Size
from tests.chaos.small_disk import SmallDisk
from tests.e2e.deployment import COMMANDS, PYTHON, Deployment

SHIFTED = Path(__file__).with_name("shifted.py")
# Between two looks at the processes: whether they are there, and what they hold.
LOOK_EVERY = 0.25
MEASURE_EVERY = 5.0
# What a worker may need to end: its calls to Stripe in flight, and Celery's soft shutdown before them.
ENDS_WITHIN = 75.0
# P5.
SOON = 180.0


class System(Deployment):
    """Its processes, by name: `worker 0`. `with` starts all, and ends all."""

    def __init__(
        self, *, folder: Path, services: Services, stripe: Simulator, network: Network, size: Size, second_broker: Kafka
    ) -> None:
        super().__init__(
            folder=folder, stripe=stripe, redis_server=services.redis, database=services.database_url,
            broker=services.kafka_broker, commands=COMMANDS,
        )  # fmt: skip
        self.services, self.network, self.second_broker = services, network, second_broker
        self.small_disk: SmallDisk | None = None
        self.previous: Path | None = None
        self.size = size.name
        self.has_forgotten = False
        self.terminal, self.desk = threading.Lock(), threading.Lock()
        """Held by who of the staff is at it just now, and both by an operator who wants to be alone."""
        many = dict.fromkeys(KINDS, size.replicas) | {"beat": 1, "web": 1}
        self.names = [f"{kind} {number}" for kind in KINDS for number in range(many[kind])]
        self.ended_by_itself: list[Ended] = []
        self.late_to_end: list[Ended] = []
        self.measured: list[Measured] = []
        self.told_at: dict[str, float] = {}
        self._probes = 0
        self._lock = threading.RLock()
        self._down: set[str] = set()
        self._of_previous: set[str] = set()
        self._over = threading.Event()
        self.env |= SECRETS | {"HTTPS_ONLY": "false", "KAFKA_SESSION_TIMEOUT_MS": str(size.session_ms)}
        self._connect_links()

    def _connect_links(self) -> None:
        """Each kind of process reaches each service over a cable of its own."""
        network, [port] = self.network, find_free_ports(count=1)
        services = {
            "postgres": self.database.partition("@")[2].partition("/")[0],
            "redis": self.redis.url.partition("//")[2].partition("/")[0],
            "stripe": self.stripe.url.partition("//")[2],
        }
        self.commands["web"] = [PYTHON, "-m", "gunicorn", "billing_project.wsgi", "--bind", f"127.0.0.1:{port}"]
        self.commands["web"].append("--reuse-port")  # a new one is there before the old one has gone
        self.web = f"http://127.0.0.1:{port}"
        for service, kinds in USERS.items():
            for number, kind in enumerate(kinds):
                link, own = network[f"{kind}-{service}"], self.own_env.setdefault(kind, {})
                link.aim(self.services.kafka.doors[number] if service == "kafka" else services[service])
                here = f"127.0.0.1:{link.port}"
                match service:
                    case "postgres":
                        own["DATABASE_URL"] = self.database.replace(services[service], here)
                    case "redis":
                        own["REDIS_URL"] = self.redis.url.replace(services[service], here)
                    case "kafka":
                        own["KAFKA_BROKER"] = here
                    case _:
                        own["STRIPE_API_BASE"] = f"http://{here}"
        for kind, command in self.commands.items():
            self.commands[kind] = [PYTHON, str(SHIFTED), str(self.clock_of(kind)), *command[1:]]
        for kind, door in zip(USERS["kafka"], self.second_broker.doors, strict=True):
            network[f"{kind}-{SECOND}"].aim(door)
        network["stripe-web"].aim(f"127.0.0.1:{port}")

    def clock_of(self, kind: str) -> Path:
        """The file that says by how many seconds the clocks of these processes differ."""
        return self.folder / f"{kind}.clock"

    def __enter__(self) -> "System":
        for arguments in (("migrate", "--verbosity", "0"), ("topics", "--partitions", "4", "--replication", "2")):
            done = self.command(*arguments)
            assert done.returncode == 0, done.stderr
        for statement in self.small_disk.statements if self.small_disk else ():
            self.administer(statement)
        self.sender = Sender(broker=self.broker, topic=self.topics["KAFKA_TOPIC_PAYMENTS"])
        self.listener = Listener(
            broker=self.broker, topic=self.topics["KAFKA_TOPIC_NOTIFICATIONS"],
            heard=lambda record: self._note(record.value),
        )  # fmt: skip
        self.stripe.control.set_webhooks(
            url=f"http://127.0.0.1:{self.network['stripe-web'].port}/webhooks/stripe",
            secret=SECRETS["STRIPE_WEBHOOK_SECRET"], twice=True, shuffle=3, lost=0.05,
        )  # fmt: skip
        self.start(*self.names)
        self._keeper = threading.Thread(target=self._keep_up, name="keeper", daemon=True)
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join(30)
        self.sender.end()
        self.listener.end()
        self.remove()

    def start(self, *names: str) -> None:
        """Start them, and from then on keep them up."""
        with self._lock:
            super().start(*names)
            self._down.difference_update(names)
            self._of_previous.difference_update(names)
            self._of_previous.update(names if self.is_previous else ())

    def kill(self, name: str) -> bool:  # type: ignore[override]
        """SIGKILL, to this process alone: its children find out by themselves. Returns whether it hadn't ended by
        itself before."""
        with self._lock:
            self._down.add(name)
            child = self._children.pop(name)
            if (code := child.poll()) is not None:
                self.ended_by_itself.append(self._ended(name, code))
            child.kill()
            child.wait()
        return code is None

    def stop(self, name: str) -> int:
        """SIGTERM, and the exit code; one that doesn't end in time says where it is, is written down, and killed."""
        with self._lock:
            self._down.add(name)
            child = self._children.pop(name)
        child.send_signal(signal.SIGTERM)
        try:
            return child.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            keep_where_it_is(child, log=self.log(name), into=self.folder.parent / "late.log")
            child.kill()
            self.late_to_end.append(self._ended(name, child.wait()))
            return child.returncode

    def replace(self, old: str, new: str) -> None:
        """From now on the new one is kept up in the old one's place."""
        with self._lock:
            self.names[self.names.index(old)] = new

    def remove(self) -> None:
        """End what is left, children first."""
        with self._lock:
            for name, child in list(self._children.items()):
                with suppress(psutil.Error):
                    for one in psutil.Process(child.pid).children(recursive=True):
                        one.kill()
                self.kill(name)
        self.hang_up()

    def wait_for_probe(self, *, within: float = SOON) -> float | None:
        """Send one good event; after how many seconds it was told, None: it wasn't."""
        with self._lock:
            self._probes += 1
            event = probe(self._probes)
        began_at = time.monotonic()
        self.sender.send(event)
        deadline = began_at + within
        while time.monotonic() < deadline:
            if (at := self.told_at.get(event.subscription)) is not None:
                return at - began_at
            time.sleep(0.05)
        return None

    @property
    def unmeant(self) -> list[Ended]:
        """All that ended in a way that nobody had meant."""
        return [*self.ended_by_itself, *self.late_to_end]

    @property
    def is_previous(self) -> bool:
        """Whether the previous version's code is what is started now."""
        return self.root == self.previous

    @property
    def probes(self) -> int:
        """How many were sent."""
        return self._probes

    def ask(self, sql: str) -> list[tuple[object, ...]] | None:
        """What the database says, or None while it is away."""
        try:
            return self.rows(sql)
        except psycopg2.Error:
            return None

    def _ended(self, name: str, code: int) -> Ended:
        return Ended(name=name, is_previous=name in self._of_previous, code=code, tail=self.tail(name))

    def _note(self, value: bytes) -> None:
        told = json.loads(value)["payment"]
        self.told_at.setdefault(told["subscriptionId"], time.monotonic())

    def _keep_up(self) -> None:
        """As an orchestrator: whoever has ended is started again; and measure them now and then."""
        measure_at = 0.0
        while not self._over.wait(LOOK_EVERY):
            with self._lock:
                for name in self.names:
                    child = self._children.get(name)
                    if child is not None and name not in self._down and (code := child.poll()) is not None:
                        self.ended_by_itself.append(self._ended(name, code))
                        self.start(name)
                children = {name: child.pid for name, child in self._children.items()}
            if time.monotonic() >= measure_at:
                measure_at = time.monotonic() + MEASURE_EVERY
                self.let_banks_decide()
                for name, pid in children.items():
                    with suppress(psutil.Error):
                        self.measured.append(measure(name, pid))

    def let_banks_decide(self) -> None:
        """Whatever is being processed ends as its card has it."""
        ledger = self.stripe.ledger
        with ledger.lock:
            waiting = [intent.id for intent in ledger.payment_intents if intent.status == "processing"]
        for intent in waiting:
            with suppress(Exception):
                self.stripe.control.resolve(payment_intent=intent)
