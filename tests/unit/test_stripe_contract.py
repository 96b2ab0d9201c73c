"""Which Stripe the tests of Stripe's rules talk to."""

from __future__ import annotations

import pytest

from tests.integration.stripe_contract import SANDBOX_KEY, name_targets


@pytest.mark.parametrize(("key", "targets"), [("", ["simulator"]), ("sk_test_1", ["simulator", "sandbox"])])
def test_the_sandbox_is_tested_only_with_a_key(monkeypatch: pytest.MonkeyPatch, key: str, targets: list[str]) -> None:
    """Without one nothing is collected for it, so nothing is skipped."""
    monkeypatch.setenv(SANDBOX_KEY, key)
    assert name_targets() == targets


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1", "nonsense"])
def test_no_other_key_is_taken(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """The tests make charges, so a live key must never get through."""
    monkeypatch.setenv(SANDBOX_KEY, key)
    with pytest.raises(pytest.UsageError, match="sk_test_"):
        name_targets()
