"""The seller's balance: one transaction for each time that money came in or went out, in the currency of settlement.

Rates and fees are made up; that an amount is converted, that a fee is taken from it, and when, is Stripe's.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, ROUND_UP, Decimal

from .calls import Call, Page, page_of
from .errors import no_such
from .ledger import Ledger
from .records import BalanceTransaction, Charge, Dispute, Refund

# What the account has no bank account for is converted; anything else is settled as it is.
SETTLED_IN = "usd"
# Of one minor unit to one minor unit of SETTLED_IN.
RATES = {"kzt": Decimal("0.002"), "jpy": Decimal("0.67"), "eur": Decimal("1.1"), "rub": Decimal("0.0125")}
FEE_SHARE = Decimal("0.029")
DISPUTE_FEE = 1500


def take_in(ledger: Ledger, charge: Charge) -> None:
    """Money came in."""
    fee = int((_settle(charge.amount, charge.currency)[0] * FEE_SHARE).quantize(Decimal(1), ROUND_UP))
    charge.balance_transaction = _add(ledger, charge, "charge", fee=fee).id
    ledger.save(charge)


def give_back(ledger: Ledger, refund: Refund) -> None:
    """Money went to the customer; what the charge has cost stays with Stripe."""
    refund.balance_transaction = _add(ledger, refund, "refund", goes=True).id
    ledger.save(refund)


def take_home(ledger: Ledger, refund: Refund) -> None:
    """A refund came back."""
    refund.failure_balance_transaction = _add(ledger, refund, "refund_failure", again=True).id
    ledger.save(refund)


def withdraw(ledger: Ledger, dispute: Dispute) -> None:
    """The customer's bank took it, and Stripe its fee."""
    dispute.moves = [*dispute.moves, _add(ledger, dispute, "dispute", fee=DISPUTE_FEE, goes=True)]
    ledger.save(dispute)


def reinstate(ledger: Ledger, dispute: Dispute) -> None:
    """The bank gave it back; the fee stays with Stripe."""
    dispute.moves = [*dispute.moves, _add(ledger, dispute, "dispute_reversal", again=True)]
    ledger.save(dispute)


def list_all(ledger: Ledger, call: Call) -> Page:
    """List transactions, newest first, of one type, currency or source, or all."""
    kind, currency, source = (call.params.get(name) for name in ("type", "currency", "source"))
    return page_of(
        ledger.balance_transactions,
        call,
        keep=lambda one: kind in {None, one.type} and currency in {None, one.currency} and source in {None, one.source},
    )


def retrieve(ledger: Ledger, call: Call) -> BalanceTransaction:
    """Return a transaction."""
    found = ledger.balance_transactions.get(call.subject)
    if found is None:
        raise no_such("balance_transaction", call.subject, param="id", in_path=True)
    return found


def _settle(amount: int, currency: str) -> tuple[int, str, Decimal | None]:
    rate = RATES.get(currency)
    if rate is None:
        return amount, currency, None
    return int((amount * rate).quantize(Decimal(1), ROUND_HALF_UP)), SETTLED_IN, rate


def _add(
    ledger: Ledger,
    source: Charge | Refund | Dispute,
    category: str,
    *,
    fee: int = 0,
    goes: bool = False,
    again: bool = False,
) -> BalanceTransaction:
    """`goes`: the money leaves the balance. `again`: it is the source's second one."""
    amount, currency, rate = _settle(source.amount, source.currency)
    made = BalanceTransaction(
        # Not drawn: what draws beside this one keeps the ids that it has without it.
        id=f"txn_{source.id.partition('_')[2]}{'b' if again else 'a'}",
        created=int(ledger.now()),
        category=category,
        # Stripe books what disputes move under a general name.
        type="adjustment" if category.startswith("dispute") else category,
        amount=-amount if goes else amount,
        fee=fee,
        currency=currency,
        source=source.id,
        charge=source.id if isinstance(source, Charge) else source.charge,
        exchange_rate=None if rate is None else float(rate),
    )
    ledger.save(made)
    return made
