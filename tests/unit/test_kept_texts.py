"""What the domain says in English is known to the catalogs word by word: what was changed is translated anew."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing_project import kept_texts
from billing_project.dev.messages import ROOT
from payments import retry_policy
from payments.charging.pause import LOST_COMMITS
from payments.intake.parked import NEEDS_A_VALUE
from payments.models import Payment
from payments.reconcile.adopt import ADOPTING
from payments.refunds.request import HELD_BY_BANK

# Where each list's texts are said, and by what.
SAID: dict[str, tuple[str, tuple[str, ...]]] = {
    "NOT_REPLAYABLE": ("NotReplayable Refusal", ("payments/charging/retry.py", "payments/retry_policy.py")),
    "NOT_REFUNDABLE": ("NotRefundable", ("payments/refunds/request.py",)),
    "NOT_CLOSED": ("NotClosed", ("payments/charging/close.py",)),
    "NOT_ALLOWED": ("NotAllowed", ("payments/jobs/ask.py",)),
    "NOT_COMPARED": ("Interrupted", ("payments/reconcile/books.py",)),
    "NOT_A_PRICE": ("PriceInvalid", ("payments/money.py",)),
}


def _said(names: str, files: tuple[str, ...]) -> Iterator[ast.expr]:
    """What these classes are made with as their text, wherever that stands."""
    for file in files:
        tree = ast.parse(Path(ROOT / file).read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names.split():
                yield from (keyword.value for keyword in call.keywords if keyword.arg == "text")
                yield from call.args
        yield from (
            node.value for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "text"
        )  # fmt: skip


def _pattern(said: ast.expr) -> str | None:
    """The text, with anything where the code puts in a word."""
    match said:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in parts)
        case _:
            return None


@pytest.mark.parametrize("name", sorted(SAID))
def test_each_text_stands_in_the_code(name: str) -> None:
    """Nobody translates what nobody says any more."""
    patterns = [pattern for said in _said(*SAID[name]) if (pattern := _pattern(said))]
    assert [text for text in getattr(kept_texts, name) if not any(re.fullmatch(one, text) for one in patterns)] == []


@pytest.mark.parametrize("name", sorted(SAID))
def test_each_text_of_the_code_is_known(name: str) -> None:
    """A new refusal waits for its translation; only what varies without end is left in English."""
    said = {one.value for one in _said(*SAID[name]) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    assert said - set(getattr(kept_texts, name)) == set()


def test_the_limit_of_the_card_networks_is_the_one_that_is_named() -> None:
    """The figure stands in the text."""
    refusal = retry_policy.refusal_to_retry(
        kind="soft", same_method=True, asked_by="staff", card_declines=retry_policy.NETWORK_CAP
    )
    assert refusal
    assert refusal.text in kept_texts.NOT_REPLAYABLE


def test_no_status_that_keeps_money_from_going_back_is_forgotten() -> None:
    """Each is said with its own name."""
    known = [text.split(":")[0] for text in kept_texts.NOT_REFUNDABLE]
    assert {f"it is disputed ({status})" for status in HELD_BY_BANK} <= set(known)
    unpaid = [status for status in Payment.Status.values if status != Payment.Status.SUCCESS]
    assert {f"it isn't paid, it is {status}" for status in unpaid} <= set(known)


def test_a_record_that_needs_a_value_says_so_in_these_words() -> None:
    """It is refused with them before anybody is asked for anything."""
    assert NEEDS_A_VALUE in kept_texts.PARKED


def test_what_to_do_after_a_restore_is_said_in_these_words() -> None:
    """Banners show the reason of the pause."""
    assert {ADOPTING, LOST_COMMITS} == set(kept_texts.RESTORED)
