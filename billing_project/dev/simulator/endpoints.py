"""The endpoints: which paths there are, what each may be sent, and who answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import balance, disputes, payment_intents, payment_methods, reads, refunds, search
from .calls import Call, Result
from .errors import StripeError
from .ledger import Ledger
from .parameters import Kind, Parameter, Parameters

STRING = Parameter()
INTEGER = Parameter(Kind.INTEGER)
BOOLEAN = Parameter(Kind.BOOLEAN)
METADATA = {"metadata": Parameter(Kind.METADATA)}
EXPAND = {"expand": Parameter(Kind.EXPAND)}
LIST = {
    **EXPAND,
    "created": Parameter(Kind.RANGE),
    "ending_before": STRING,
    "limit": INTEGER,
    "starting_after": STRING,
}
OFF_SESSION = Parameter(only=("true", "false", "one_off", "recurring"))
AUTOMATIC_METHODS = {
    "enabled": Parameter(Kind.BOOLEAN, required=True),
    "allow_redirects": Parameter(only=("always", "never")),
}
WITHDRAWN = {
    "payment_method_types": "payment_method_types_no_longer_supported",
    # Cards take only the suffix.
    "statement_descriptor": "payment_intent_invalid_parameter",
}
INTENT_FIELDS = {
    **EXPAND,
    **METADATA,
    "customer": STRING,
    "description": STRING,
    "payment_method": STRING,
    "receipt_email": STRING,
    "setup_future_usage": Parameter(only=("off_session", "on_session")),
    "statement_descriptor_suffix": Parameter(longest=22),
}
CONFIRM_FIELDS = {
    "error_on_requires_action": BOOLEAN,
    "off_session": OFF_SESSION,
    "return_url": STRING,
    "use_stripe_sdk": BOOLEAN,
}
# Stripe's other parameters, as the SDK lists them.
UNSIMULATED = frozenset(
    (
        "allowed_payment_method_types amount_details amount_to_confirm application_fee_amount confirmation_token "
        "customer_account excluded_payment_method_types hooks mandate mandate_data on_behalf_of payment_details "
        "payment_method_configuration payment_method_data payment_method_options radar_options shipping "
        "transfer_data transfer_group"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path. `name` is what faults and counters call it."""

    name: str
    parameters: Parameters
    run: Callable[[Ledger, Call], Result]

    @property
    def answer(self) -> str:
        """Which object it answers with; `data.…` where it answers with a list of them."""
        objects, _, verb = self.name.partition(".")
        return f"data.{objects.removesuffix('s')}" if verb in {"list", "search"} else objects.removesuffix("s")


CREATE_INTENT = Parameters(
    {
        **INTENT_FIELDS,
        **CONFIRM_FIELDS,
        "amount": Parameter(Kind.INTEGER, required=True),
        "currency": Parameter(required=True),
        "automatic_payment_methods": Parameter(Kind.HASH, inner=AUTOMATIC_METHODS),
        "capture_method": Parameter(only=("automatic", "automatic_async")),
        "confirm": BOOLEAN,
        "confirmation_method": Parameter(only=("automatic",)),
    },
    unsimulated=UNSIMULATED - {"amount_to_confirm"},
    withdrawn=WITHDRAWN,
)
UPDATE_INTENT = Parameters(
    {**INTENT_FIELDS, "amount": INTEGER, "currency": STRING},
    unsimulated=UNSIMULATED
    - {"amount_to_confirm", "confirmation_token", "mandate", "mandate_data", "on_behalf_of", "radar_options"},
    withdrawn=WITHDRAWN,
)
CONFIRM_INTENT = Parameters(
    {
        **EXPAND,
        **CONFIRM_FIELDS,
        "capture_method": Parameter(only=("automatic", "automatic_async")),
        "payment_method": STRING,
    },
    unsimulated=(
        UNSIMULATED
        - {
            "application_fee_amount",
            "customer_account",
            "on_behalf_of",
            "payment_method_configuration",
            "transfer_data",
            "transfer_group",
        }
    )
    | {"receipt_email", "setup_future_usage"},
    withdrawn={"payment_method_types": WITHDRAWN["payment_method_types"]},
)
CANCEL_INTENT = Parameters(
    {
        **EXPAND,
        "cancellation_reason": Parameter(only=("abandoned", "duplicate", "fraudulent", "requested_by_customer")),
    }
)
CREATE_METHOD = Parameters(
    {
        **EXPAND,
        **METADATA,
        "type": Parameter(required=True, only=("card",)),
        "card": Parameter(Kind.HASH, required=True, inner={"token": Parameter(required=True)}),
    },
    unsimulated=frozenset({"allow_redisplay", "billing_details", "customer", "payment_method", "radar_options"}),
)
CREATE_REFUND = Parameters(
    {
        **EXPAND,
        **METADATA,
        "amount": INTEGER,
        "charge": STRING,
        "payment_intent": STRING,
        "reason": Parameter(only=("duplicate", "fraudulent", "requested_by_customer")),
    },
    unsimulated=frozenset(
        ("currency customer instructions_email origin refund_application_fee reverse_transfer").split()
    ),
)
CREATE_CUSTOMER = Parameters(
    {**METADATA, "description": STRING, "email": STRING, "name": STRING, "phone": STRING},
    unsimulated=frozenset(
        (
            "address balance business_name cash_balance expand individual_name invoice_prefix invoice_settings "
            "next_invoice_sequence payment_method preferred_locales shipping source tax tax_exempt tax_id_data "
            "test_clock validate"
        ).split()
    ),
)
ATTACH = Parameters({**EXPAND, "customer": Parameter(required=True)}, unsimulated=frozenset({"customer_account"}))
RETRIEVE = Parameters(EXPAND)
RETRIEVE_INTENT = Parameters({**EXPAND, "client_secret": STRING})
LIST_INTENTS = Parameters({**LIST, "customer": STRING}, unsimulated=frozenset({"customer_account"}))
SEARCH = Parameters({**EXPAND, "limit": INTEGER, "page": STRING, "query": Parameter(required=True)})
LIST_METHODS = Parameters(
    {
        **{name: LIST[name] for name in LIST if name != "created"},
        "customer": STRING,
        "type": Parameter(only=("card",)),
    },
    unsimulated=frozenset({"allow_redisplay", "customer_account"}),
)
LIST_REFUNDS = Parameters({**LIST, "charge": STRING, "payment_intent": STRING})
LIST_DISPUTES = LIST_REFUNDS
LIST_CHARGES = Parameters(
    {**LIST, "customer": STRING, "payment_intent": STRING}, unsimulated=frozenset({"transfer_group"})
)
LIST_BALANCE = Parameters(
    {**LIST, "currency": STRING, "source": STRING, "type": STRING}, unsimulated=frozenset({"payout"})
)
LIST_EVENTS = Parameters(
    {**LIST, "type": STRING, "types": Parameter(Kind.STRINGS)}, unsimulated=frozenset({"delivery_success"})
)

# (method, path with `*` for the id) -> endpoint.
ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    (method, f"/v1/{path}"): Endpoint(name, parameters, run)
    for method, path, name, parameters, run in (
        ("POST", "payment_intents", "payment_intents.create", CREATE_INTENT, payment_intents.create),
        ("GET", "payment_intents", "payment_intents.list", LIST_INTENTS, payment_intents.list_all),
        ("GET", "payment_intents/search", "payment_intents.search", SEARCH, search.search_payment_intents),
        ("GET", "payment_intents/*", "payment_intents.retrieve", RETRIEVE_INTENT, payment_intents.retrieve),
        ("POST", "payment_intents/*", "payment_intents.update", UPDATE_INTENT, payment_intents.update),
        (
            "POST",
            "payment_intents/*/confirm",
            "payment_intents.confirm",
            CONFIRM_INTENT,
            payment_intents.confirm,
        ),
        ("POST", "payment_intents/*/cancel", "payment_intents.cancel", CANCEL_INTENT, payment_intents.cancel),
        ("POST", "payment_methods", "payment_methods.create", CREATE_METHOD, payment_methods.create),
        ("GET", "payment_methods", "payment_methods.list", LIST_METHODS, payment_methods.list_all),
        ("GET", "payment_methods/*", "payment_methods.retrieve", RETRIEVE, payment_methods.retrieve),
        ("POST", "payment_methods/*/attach", "payment_methods.attach", ATTACH, payment_methods.attach),
        ("POST", "payment_methods/*/detach", "payment_methods.detach", RETRIEVE, payment_methods.detach),
        ("POST", "customers", "customers.create", CREATE_CUSTOMER, payment_methods.create_customer),
        ("GET", "customers/*", "customers.retrieve", RETRIEVE, payment_methods.retrieve_customer),
        ("POST", "refunds", "refunds.create", CREATE_REFUND, refunds.create),
        ("GET", "refunds", "refunds.list", LIST_REFUNDS, refunds.list_all),
        ("GET", "refunds/*", "refunds.retrieve", RETRIEVE, refunds.retrieve),
        ("GET", "disputes", "disputes.list", LIST_DISPUTES, disputes.list_all),
        ("GET", "disputes/*", "disputes.retrieve", RETRIEVE, disputes.retrieve),
        ("GET", "charges", "charges.list", LIST_CHARGES, reads.list_charges),
        ("GET", "charges/*", "charges.retrieve", RETRIEVE, reads.retrieve_charge),
        ("GET", "balance_transactions", "balance_transactions.list", LIST_BALANCE, balance.list_all),
        ("GET", "balance_transactions/*", "balance_transactions.retrieve", RETRIEVE, balance.retrieve),
        ("GET", "events", "events.list", LIST_EVENTS, reads.list_events),
        ("GET", "events/*", "events.retrieve", RETRIEVE, reads.retrieve_event),
        ("GET", "account", "account.retrieve", RETRIEVE, reads.retrieve_account),
    )
}


def find_endpoint(method: str, path: str) -> tuple[Endpoint, str]:
    """Return the endpoint and the id in the path (or an empty string); raises Stripe's 404."""
    # Before the ids: /v1/payment_intents/search is nobody's.
    if whole := ENDPOINTS.get((method, path)):
        return whole, ""
    parts = path.split("/")
    subject = parts[3] if len(parts) > 3 else ""
    if subject:
        parts[3] = "*"
    endpoint = ENDPOINTS.get((method, "/".join(parts)))
    if endpoint is None:
        message = f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs."
        raise StripeError(404, kept=False, type="invalid_request_error", message=message)
    return endpoint, subject
