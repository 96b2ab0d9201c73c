"""A call to Stripe that isn't made yet: for whoever waits in a thread, or on the event loop of the process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import stripe

from payments.answers import Answer
from payments.counters import StripeEndpoint
from payments.gateway.reading import ask, ask_later

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Question(Generic[T]):
    """One call, whose answer is read from its bytes: most of what charging a card costs us is to make the SDK's objects
    out of them. Called it blocks; `later` is the same on an event loop. Neither raises what depends on the answer."""

    client: stripe.StripeClient
    endpoint: StripeEndpoint
    method: Literal["get", "post"]
    path: str
    params: Mapping[str, Any]
    read: Callable[[stripe.StripeResponse], T]

    def __call__(self) -> T | Answer:
        """In the caller's thread."""
        return ask(
            self.endpoint, lambda: self.client.raw_request(self.method, self.path, **self.params), self.read
        )  # fmt: skip

    async def later(self) -> T | Answer:
        """On the event loop."""
        sent = self.client.raw_request_async(self.method, self.path, **self.params)
        return await ask_later(self.endpoint, sent, self.read)
