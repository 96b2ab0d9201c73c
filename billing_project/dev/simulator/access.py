"""API keys: which are accepted, which may do nothing, and which account they belong to."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from .errors import forbidden, unauthorized

ACCEPTED_PREFIX = "sk_test_"
ACCOUNT = "acct_simulator"

State = Literal["accepted", "restricted", "revoked"]


class ApiKeys:
    """Every key that starts with `sk_test_` is accepted, unless something else was said about it."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._accounts: dict[str, str] = {}

    def set(self, key: str, *, state: State, account: str | None = None) -> None:
        """Say what becomes of a key: `restricted` gives 403, `revoked` 401. Objects are not kept apart by
        account: it is only what `/v1/account` answers."""
        self._states[key] = state
        if account is not None:
            self._accounts[key] = account

    def account_of(self, authorization: str | None) -> str:
        """Return the account of the key in an Authorization header; raises Stripe's 401 or 403."""
        key = _key_in(authorization or "")
        if not key:
            raise unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
        state = self._states.get(key, "accepted" if key.startswith(ACCEPTED_PREFIX) else "revoked")
        if state == "revoked":
            raise unauthorized(f"Invalid API Key provided: {key[:8]}****{key[-4:]}")
        account = self._accounts.get(key, ACCOUNT)
        if state == "restricted":
            raise forbidden(
                f"The provided key '{key[:8]}****{key[-4:]}' does not have the required permissions for this "
                f"endpoint on account '{account}'."
            )
        return account


def _key_in(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
