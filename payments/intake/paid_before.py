"""What the replaced service has charged, from a file: CSV with a header, or one JSON object a line. Pure.

Each line is one paid subscription: `subId`, `price` (in the unit of the events, PRICE_UNIT), `currency`,
`transactionId` (Stripe's PaymentIntent), `paidAt` (with its zone), `userId`, and `email` if it is known. Other columns
are left alone. In JSON the ids keep the type that they have there.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from payments import money
from payments.intake import masking

NEEDED = frozenset({"subId", "price", "currency", "transactionId", "paidAt", "userId"})
# As in events.
MAX_ID = 255
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class PaidBefore:
    """One line. Ids as canonical text and as they are written; `price` in the unit of the events, `amount` in minor
    units."""

    line: int
    subscription: str
    subscription_as_sent: str | int
    user_id: str
    user_as_sent: dict[str, str | int]
    email: str
    price: Decimal
    amount: int
    currency: str
    intent: str
    paid_at: datetime


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a line can't be imported: which field, and what it must be."""

    line: int
    text: str


def read_paid(
    *, lines: Iterable[str], price_unit: money.PriceUnit, now: datetime
) -> tuple[list[PaidBefore], list[Problem]]:
    """All lines of a file, or what is wrong with each that is bad."""
    paid: list[PaidBefore] = []
    problems: list[Problem] = []
    first: dict[tuple[str, str], int] = {}
    for number, row in _rows(lines):
        try:
            one = _understand(number, row, price_unit=price_unit, now=now)
        except ValueError as error:
            problems.append(Problem(line=number, text=str(error)))
            continue
        paid.append(one)
        for field, value in (("subId", one.subscription), ("transactionId", one.intent)):
            before = first.setdefault((field, value), number)
            if before != number:
                problems.append(Problem(line=number, text=f"{field}: is that of line {before}, too: keep one of them"))
    return paid, problems


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Each line's number and fields; or text, where it has none."""
    found = list(lines)
    if found and found[0].lstrip().startswith("{"):
        for number, line in enumerate(found, start=1):
            if line.strip():
                yield number, _parsed(line)
        return
    reader = csv.DictReader(found, restkey="")
    if missing := NEEDED - set(reader.fieldnames or ()):
        yield 1, f"the header must name {', '.join(sorted(missing))}, too, with commas between"
        return
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if value not in ("", None)}


def _parsed(line: str) -> dict[str, Any] | str:
    try:
        found = json.loads(line, parse_float=Decimal)
    except ValueError:
        return "is no JSON"
    return found if isinstance(found, dict) else "must be a JSON object"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    if len(value) > MAX_ID or _UNPRINTABLE.search(value):
        raise ValueError(f"must have at most {MAX_ID} characters, and no control characters")
    return value


def _id(value: Any) -> str | int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _price(value: Any) -> Decimal:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", str(value), re.ASCII):
        raise ValueError("must be a number like 100 or 99.90")
    return Decimal(str(value))


def _currency(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", str(value)):
        raise ValueError("must be a currency's three letters")
    return str(value).upper()


def _intent(value: Any) -> str:
    if not re.fullmatch(r"pi_\w{1,250}", str(value), re.ASCII):
        raise ValueError("must be the id of Stripe's PaymentIntent (pi_…)")
    return str(value)


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("must be a time like 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("has no time zone: write 2026-01-31T12:00:00Z for UTC")
    return moment.astimezone(UTC)


class _Line(BaseModel):
    sub_id: Annotated[str | int, BeforeValidator(_id)] = Field(alias="subId")
    price: Annotated[Decimal, BeforeValidator(_price)]
    currency: Annotated[str, BeforeValidator(_currency)]
    transaction_id: Annotated[str, BeforeValidator(_intent)] = Field(alias="transactionId")
    paid_at: Annotated[datetime, BeforeValidator(_moment)] = Field(alias="paidAt")
    user_id: Annotated[str | int, BeforeValidator(_id)] = Field(alias="userId")
    email: Annotated[str, BeforeValidator(_text)] = ""


def _understand(number: int, row: dict[str, Any] | str, *, price_unit: money.PriceUnit, now: datetime) -> PaidBefore:
    if isinstance(row, str):
        raise ValueError(row)
    try:
        line = _Line.model_validate(row)
    except ValidationError as error:
        raise ValueError("; ".join(map(_reason, error.errors(include_input=False, include_url=False)))) from None
    try:
        amount = money.to_minor(line.price, currency=line.currency, unit=price_unit)
    except money.PriceInvalid as error:
        raise ValueError(f"price: {error}") from None
    if line.paid_at > now:
        raise ValueError("paidAt: is in the future: give the time at which it was paid")
    email = line.email if "@" in line.email else masking.mask_text(line.email)
    return PaidBefore(
        line=number, subscription=str(line.sub_id), subscription_as_sent=line.sub_id, user_id=str(line.user_id),
        user_as_sent={"id": line.user_id} | ({"email": email} if email else {}), email=email, price=line.price,
        amount=amount, currency=line.currency, intent=line.transaction_id, paid_at=line.paid_at,
    )  # fmt: skip


def _reason(problem: Any) -> str:
    said = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
    return f"{problem['loc'][0]}: {said}"
