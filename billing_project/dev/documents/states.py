"""docs/states.md: the states of payments, attempts and refunds, from the tables of arrows that the code obeys.

Here stand only the sentences. An arrow without one, and a sentence without its arrow, is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import translation

from payments import words
from payments.charging.arrows import ARROWS, BEGINNINGS, STATUS_ARROWS
from payments.refunds.arrows import REFUND_ARROWS
from payments.words.states import Table

Arrows = Mapping[str, frozenset[str]]
# Why an arrow is taken; "*" is every state that has no sentence of its own for this target.
Sentences = Mapping[tuple[str, str], str]

PAYMENT: Sentences = {
    ("pending", "success"): "Stripe says that the PaymentIntent succeeded. Told once.",
    ("pending", "failed"): "Stripe proves that nothing was taken: declined, refused by Stripe, the customer must act, "
    "or cancelled. Told, once for each attempt that somebody asked for.",
    ("failed", "pending"): "Another attempt begins: a replay by staff, a new event, a scheduled retry.",
    ("failed", "success"): "Stripe says later that it succeeded after all: the customer has acted, or a request that "
    "was given up has arrived. Told once.",
}
ATTEMPT: Sentences = {
    ("*", "unknown"): "The answer proves nothing: a time-out, a 5xx, a lost connection, a lease that ran out.",
    ("*", "processing"): "Stripe has it and the bank is at work.",
    ("*", "action_required"): "Stripe wants the customer to authenticate; nothing is taken until then.",
    ("*", "succeeded"): "Stripe says succeeded.",
    (
        "*",
        "declined",
    ): "A 402 to this attempt's own key and bytes, or what Stripe showed at work is over without money.",
    ("*", "rejected"): "Stripe refuses the request itself, and no earlier send of this attempt is in doubt; or the "
    "PaymentIntent is cancelled, which closes the payment.",
    ("*", "superseded"): "Another attempt of the payment has succeeded.",
    ("action_required", "succeeded"): "The customer has authenticated, and Stripe says succeeded.",
}
REFUND: Sentences = {
    ("*", "unknown"): "The answer proves nothing; from now on Stripe's list of refunds is asked.",
    ("*", "pending"): "Stripe has made it, the bank has not carried it out yet.",
    ("*", "succeeded"): "Stripe says that it is given back. Told.",
    ("*", "failed"): "The bank could not give it back.",
    ("*", "canceled"): "It was cancelled at Stripe before the bank had carried it out.",
    ("*", "rejected"): "Stripe refuses to make it: nothing was given back.",
    (
        "succeeded",
        "failed",
    ): "Days later the bank has given it back: the sum is taken off again, and that is told, too.",
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One kind of row: its states in words, its arrows, and where it begins."""

    title: str
    about: str
    column: str
    table: str
    beginnings: frozenset[str]
    arrows: Arrows
    states: Table
    sentences: Sentences


MACHINES = (
    Machine(
        title="Payment",
        about="Refunds and disputes are fields beside the status; a payment that is closed (`closed_at`) stays "
        "`failed`, and no arrow leaves it.",
        column="Payment.status", table="../payments/charging/arrows.py", beginnings=frozenset({"pending"}),
        arrows=STATUS_ARROWS, states=words.STATUSES, sentences=PAYMENT,
    ),
    Machine(
        title="Attempt",
        about="One try at Stripe, numbered from 1. At most one of a payment is `sending`, `unknown` or `processing`.",
        column="Attempt.state", table="../payments/charging/arrows.py", beginnings=BEGINNINGS, arrows=ARROWS,
        states=words.ATTEMPTS, sentences=ATTEMPT,
    ),
    Machine(
        title="Refund",
        about="Written down first and then sent; in doubt it is looked for and never sent a second time.",
        column="Refund.state", table="../payments/refunds/arrows.py", beginnings=frozenset({"sending"}),
        arrows=REFUND_ARROWS, states=words.REFUNDS, sentences=REFUND,
    ),
)  # fmt: skip

HEAD = """\
<!-- Made by `make docs` from the code's own tables: change those, or the sentences in
     billing_project/dev/documents/states.py. -->
# States

Which states there are and what leads from one to another. The code obeys these tables, and triggers and constraints
hold them in the database ([migration 0005](../payments/migrations/0005_arrows.py)): an update that takes an arrow
which isn't here is refused. Staying where one is is no arrow.
"""


def text() -> str:
    """The whole page. Raises `AssertionError` where the sentences don't fit the arrows."""
    with translation.override("en"):
        return HEAD + "".join(_section(machine) for machine in MACHINES)


def _section(machine: Machine) -> str:
    said = {(source, target): _sentence(machine, source, target) for source, target in _pairs(machine)}
    used = {key for pair in said for key in (pair, ("*", pair[1])) if key in machine.sentences}
    if used != set(machine.sentences):
        raise AssertionError(f"sentences without an arrow: {set(machine.sentences) - used}")
    where = f"[{machine.table.removeprefix('../')}]({machine.table})"
    lines = [
        f"\n## {machine.title}\n",
        f"`{machine.column}`; its table is in {where}. {machine.about}\n",
        "```mermaid\nstateDiagram-v2",
        *(f"    [*] --> {state}" for state in machine.states if state in machine.beginnings),
        *(f"    {source} --> {target}" for source, target in said),
        *(f"    {state} --> [*]" for state in machine.states if state not in machine.arrows),
        "```\n",
        "| state | in words |\n| --- | --- |",
        *(f"| `{state}` | {sentence}{_mark(machine, state)} |" for state, sentence in machine.states.items()),
        "\n| from | to | when |\n| --- | --- | --- |",
        *(f"| `{source}` | `{target}` | {sentence} |" for (source, target), sentence in said.items()),
    ]
    return "\n".join(lines) + "\n"


def _pairs(machine: Machine) -> list[tuple[str, str]]:
    """Each arrow, in the order in which the states are told."""
    order = list(machine.states)
    return [
        (source, target)
        for source in order
        for target in sorted(machine.arrows.get(source, frozenset()) - {source}, key=order.index)
    ]


def _sentence(machine: Machine, source: str, target: str) -> str:
    found = machine.sentences.get((source, target)) or machine.sentences.get(("*", target))
    if not found:
        raise AssertionError(f"{machine.title}: say in {__name__} when {source} becomes {target}")
    return found


def _mark(machine: Machine, state: str) -> str:
    begins = "it begins so" if state in machine.beginnings else ""
    ends = "final" if state not in machine.arrows else ""
    marks = ", ".join(mark for mark in (begins, ends) if mark)
    return f" ({marks})" if marks else ""
