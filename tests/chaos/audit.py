"""The audit from outside, at rest: records in Kafka, rows, the simulator's ledger, and what a neighbour has heard.

The promises are the proof's own (tests/proof/audit.py). Here stands what comes in addition: that nothing that Kafka has
acknowledged is gone, that what was sent ended as it had to, that logs are clean, and that nothing grows.
"""

import hashlib
import json
import statistics
from collections import Counter, defaultdict

from payments.gateway import CONNECTIONS
from tests.chaos.desk import Desk
from tests.chaos.load import PAID, PERSONAL, Load
from tests.chaos.parts import SECRETS
from tests.chaos.seen import Seen
from tests.chaos.staff import Staff
from tests.chaos.system import System
from tests.proof.audit import Audit, audit_at_rest

# Of a process that was measured so often, the last quarter is compared with the first.
MEASURED = 60
GROWS, GROWS_UNDER_FAULTS = 0.05, 0.5
MORE_FILES = 10


def audit(seen: Seen, *, system: System, load: Load, staff: Staff, desk: Desk) -> Audit:
    """Everything. Call with Django looking at the system's database."""
    found = audit_at_rest(seen)
    _audit_sent(found, seen, system, load)
    _audit_ends(found, load, staff)
    _audit_heard(found, seen, system)
    _audit_words(found, system, load, staff)
    _audit_money_back(found, seen, staff.asked_back + desk.asked_back)
    _audit_logs(found, system, desk)
    _audit_growth(found, system)
    for command in ("audit", "audit_offsets"):
        done = system.command(command)
        found.expect("P2", done.returncode == 0, f"manage.py {command}: {done.stdout}")
    return found


def _audit_sent(audit: Audit, seen: Seen, system: System, load: Load) -> None:
    """What was acknowledged is there, and the counts of what came in are those of what there is."""
    sender = system.sender
    audit.expect("P2", not sender.failed, f"could not be sent: {sender.failed[:5]}")
    audit.expect("P2", all(seen.committed.values()), f"nothing is committed somewhere: {seen.committed}")
    gone = [place for place, digest in sender.acknowledged.items() if seen.rows.get(place) != [digest]]
    audit.expect("P2", not gone, f"acknowledged by Kafka, and without their row: {gone[:10]}")
    kinds = Counter[str]()
    by_value = {event.value: event.kind for event in load.events if event.kind != "duplicate"}
    for record in seen.topic.values():
        kinds[by_value.get(record.value, "probe")] += 1
    of_parked = seen.verdicts["invalid"] + seen.verdicts["conflict"] + seen.verdicts["dismissed"]
    words = f"{dict(seen.verdicts)} of {dict(kinds)}"
    audit.expect("P2", of_parked == kinds["malformed"] + kinds["conflict"], f"parked: {words}")
    _audit_verdicts(audit, seen, load)
    known = seen.verdicts["accepted"] + seen.verdicts["duplicate"]
    audit.expect("P2", known == kinds.total() - kinds["malformed"] - kinds["conflict"], f"judged: {words}")
    subscriptions = {payment.subscription_id for payment in audit.payments}
    wanted = set(load.wishes) | {f"probe_{number + 1}" for number in range(system.probes)}
    sent = {event.subscription for event in load.events} | wanted
    audit.expect("P2", subscriptions == wanted, f"payments of {sorted(subscriptions ^ wanted)[:10]} of {len(sent)}")


def _audit_verdicts(audit: Audit, seen: Seen, load: Load) -> None:
    """However often a good one was sent, it is asked for once, and the others are duplicates."""
    good = {hashlib.sha256(event.value).digest() for event in load.events if event.kind == "good"}
    by_value: dict[bytes, Counter[str]] = defaultdict(Counter)
    for digest, verdict in seen.judged:
        if digest in good:
            by_value[digest][verdict] += 1
    for digest in good:
        found = by_value[digest]
        others = found.total() - found["duplicate"]
        audit.expect("P2", found["accepted"] == others == 1, f"verdicts of {digest.hex()[:8]}: {dict(found)}")


def _audit_ends(audit: Audit, load: Load, staff: Staff) -> None:
    """Each wish ended as its card has it, and was charged what was asked."""
    for payment in audit.payments:
        wish = load.wishes.get(payment.subscription_id)
        name = f"{payment.subscription_id}/{payment.number}"
        if wish is None:
            audit.expect("P3", payment.status == "success", f"{name} is {payment.status}")
            continue
        if payment.subscription_id not in staff.meddled:
            audit.expect("P3", payment.status in wish.ends, f"{name} is {payment.status}, not {set(wish.ends)}")
        sums = {(charge.amount, charge.currency) for charge in audit.paid_for(payment)}
        audit.expect("P3", sums <= wish.amounts, f"{name} was charged {sums}, asked was {set(wish.amounts)}")


def _audit_heard(audit: Audit, seen: Seen, system: System) -> None:
    """The neighbour has heard all that Kafka has, and for one id always the same."""
    heard = {(one.partition, one.offset): (one.key, one.value) for one in system.listener.records}
    there = {(one.partition, one.offset): (one.key, one.value) for one in seen.told}
    audit.expect("P4", heard == there, f"heard {len(heard)} of {len(there)}")
    versions: dict[str, set[tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]]] = defaultdict(set)
    for one in system.listener.records:
        # When it happened is forgotten with the rows, and is when it was found out again then.
        headers = tuple(pair for pair in one.headers if not (seen.has_forgotten and pair[0] == "ce_time"))
        versions[dict(one.headers)["ce_id"].decode()].add((one.key, seen.value_of(one), headers))
    changed = [name for name, all_of_it in versions.items() if len(all_of_it) > 1]
    audit.expect("P4", not changed, f"told with other bytes: {changed[:5]}")


def _audit_words(audit: Audit, system: System, load: Load, staff: Staff) -> None:
    """Whatever rows and Stripe say: nobody has heard that a good card failed, or that a bad one was charged."""
    for one in system.listener.records:
        told = json.loads(one.value)["payment"]
        name, status = told["subscriptionId"], told["status"]
        wish = load.wishes.get(name)
        if name in staff.meddled or (wish is not None and wish.kind == "another method"):
            continue  # its first card is declined
        ends = wish.ends if wish is not None else PAID
        audit.expect("P3", status in ends, f"{name}: told {status}, its card can end as {set(ends)}")


def _audit_money_back(audit: Audit, seen: Seen, asked_back: Counter[str]) -> None:
    """What was given back there is what we say was given back, and no more often than somebody has asked for it."""
    given: dict[str, list[int]] = defaultdict(list)
    ledger = seen.stripe.ledger
    with ledger.lock:
        for one in ledger.refunds:
            given[one.payment_intent] += [one.amount] if one.status == "succeeded" else []
    for payment in audit.payments:
        there, asked = given[payment.intent_id or ""], asked_back[payment.subscription_id]
        words = f"{payment.subscription_id}: {payment.refunded} refunded, asked for {asked} times, {there} at Stripe"
        audit.expect("P3", payment.refunded == sum(there), words)
        audit.expect("P1", len(there) <= asked, words)


def _audit_logs(audit: Audit, system: System, desk: Desk) -> None:
    """No secret, and nothing personal: not in those of the services either, which print what they refuse."""
    folder = system.folder.parent
    for path in (*sorted(system.folder.glob("*.log")), *sorted((folder / "services").rglob("log"))):
        text = path.read_text(errors="replace")
        for word in (*SECRETS.values(), *PERSONAL, "_secret_", desk.password):
            audit.expect("logs", word not in text, f"{path.relative_to(folder)} says {word}")


def _audit_growth(audit: Audit, system: System) -> None:
    """Who has lived long enough holds no more memory and no more files than at first; where nothing is broken, all.

    Where things break, what has waited comes at once, and a connection for each: then it holds no more than that takes.
    """
    grows, more_files = (GROWS_UNDER_FAULTS, CONNECTIONS) if system.size != "soak" else (GROWS, MORE_FILES)
    by_process: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for one in system.measured:
        by_process[one.name, one.pid].append((one.memory, one.files))
    for (name, pid), values in by_process.items():
        if len(values) < MEASURED:
            continue
        quarter = len(values) // 4
        memory, files = (
            tuple(statistics.median(row[place] for row in part) for part in (values[:quarter], values[-quarter:]))
            for place in (0, 1)
        )
        words = f"{name} ({pid}): {memory[0] / 2**20:.0f} MiB, then {memory[1] / 2**20:.0f} MiB"
        audit.expect("flat", memory[1] <= memory[0] * (1 + grows), words)
        audit.expect("flat", files[1] <= files[0] + more_files, f"{name} ({pid}): {files[0]} files, then {files[1]}")
    if system.size == "soak":
        compared = {name for (name, _), values in by_process.items() if len(values) >= MEASURED}
        audit.expect("flat", compared == set(system.names), f"lived long enough: {compared} of {system.names}")
