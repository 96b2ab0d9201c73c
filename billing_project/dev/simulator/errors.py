"""Stripe's error answers.

One exception stands for every refusal. It carries the HTTP status and the body of `error`, so that the
place that finds the fault also words it, in Stripe's own words where they are known.
"""

from __future__ import annotations

from typing import Any

DOC_URL = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """A refusal in Stripe's shape: `status` and the fields of `error`.

    `kept` says whether the idempotency layer stores it: Stripe keeps what an endpoint answered once it
    began to execute, and forgets 401, 403, 409, 429 and parameters that fail validation.
    """

    def __init__(self, status: int, *, kept: bool = True, **fields: Any) -> None:
        super().__init__(fields.get("message", ""))
        self.status = status
        self.kept = kept
        self.fields = {name: value for name, value in fields.items() if value is not None}

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        fields = dict(self.fields)
        if code := fields.get("code"):
            fields.setdefault("doc_url", DOC_URL + str(code).replace("_", "-"))
        return {"error": fields}


def invalid(
    message: str, *, param: str | None = None, code: str | None = None, kept: bool = True, **more: Any
) -> StripeError:
    """Return a 400 `invalid_request_error`."""
    return StripeError(400, kept=kept, type="invalid_request_error", message=message, param=param, code=code, **more)


def invalid_parameter(message: str, *, param: str, code: str | None = None) -> StripeError:
    """Return the 400 of a parameter that fails validation, before anything executes."""
    return invalid(message, param=param, code=code, kept=False)


def unknown_parameter(name: str) -> StripeError:
    """Return the 400 of a parameter that the endpoint does not have."""
    return invalid_parameter(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")


def missing_parameter(name: str) -> StripeError:
    """Return the 400 of a required parameter that was not sent."""
    return invalid_parameter(f"Missing required param: {name}.", param=name, code="parameter_missing")


def not_simulated(name: str) -> StripeError:
    """Return a 400 for something that Stripe has and the simulator has not.

    Ignoring it would let a caller believe in an effect that never happens.
    """
    message = f"The simulator does not simulate this parameter or value: {name}"
    return invalid_parameter(message, param=name, code="not_simulated")


def no_such(kind: str, identifier: str, *, param: str, in_path: bool) -> StripeError:
    """Return `resource_missing`: 404 when the path names the object, 400 when a parameter does."""
    return StripeError(
        404 if in_path else 400,
        type="invalid_request_error",
        message=f"No such {kind}: '{identifier}'",
        param=param,
        code="resource_missing",
    )


def unexpected_state(message: str, *, payment_intent: dict[str, Any]) -> StripeError:
    """Return the 400 of a PaymentIntent that is not in a state for what is asked of it."""
    return invalid(message, code="payment_intent_unexpected_state", payment_intent=payment_intent)


def unauthorized(message: str) -> StripeError:
    """Return the 401 of a missing or unknown API key."""
    return StripeError(401, kept=False, type="invalid_request_error", message=message)


def forbidden(message: str) -> StripeError:
    """Return the 403 of a key without the permission."""
    return StripeError(403, kept=False, type="invalid_request_error", message=message)


def rate_limited() -> StripeError:
    """Return the 429 of too many requests."""
    return StripeError(
        429,
        kept=False,
        type="invalid_request_error",
        code="rate_limit",
        message="Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
    )


def object_locked() -> StripeError:
    """Return the 429 of an object that another request works on."""
    return StripeError(
        429,
        kept=False,
        type="invalid_request_error",
        code="lock_timeout",
        message=(
            "This object cannot be accessed right now because another API request or Stripe process is currently "
            "accessing it. If you see this error intermittently, retry the request. If you see this error frequently "
            "and are making multiple concurrent requests to a single object, make your requests serially or at a "
            "lower rate."
        ),
    )


def key_in_use(key: str) -> StripeError:
    """Return the 409 of an idempotency key whose first request is still being worked on."""
    return StripeError(
        409,
        kept=False,
        type="idempotency_error",
        code="idempotency_key_in_use",
        message=(
            "There is currently another in-progress request using this Idempotent Key (that probably means "
            f"you submitted twice, and the other request is still going through): {key}. Please try again later."
        ),
    )


def key_reused(key: str) -> StripeError:
    """Return the 400 of an idempotency key that came with other parameters or another path before."""
    return StripeError(
        400,
        kept=False,
        type="idempotency_error",
        message=(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        ),
    )
