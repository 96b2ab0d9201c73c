"""A Stripe that runs on this machine: enough of its API, over HTTP, for the real SDK to be none the wiser.

It exists because what matters here (idempotency keys, unknown outcomes, declines, authentication off
session) must be provoked at will and audited without mercy. It knows nothing of the project; its rules are
Stripe's, checked by `tests/integration/test_simulator_contract.py`.

A request goes through `server` -> `access` (whose key) -> `endpoints` (which path) -> `faults` (what goes
wrong) -> `exchange` (idempotency, latency) -> `parameters` (what was sent) -> the endpoint's own module ->
`ledger` (what happened), `balance` (what of it is the seller's) -> `shapes` (Stripe's JSON). What happened is
also told, by `webhooks`. `control` (`arrange`, `control_http`) arranges and asks; `cards` is data.
"""

from .control import Control
from .ledger import Ledger
from .simulator import Simulator
from .world import Latency

__all__ = ["Control", "Latency", "Ledger", "Simulator"]
