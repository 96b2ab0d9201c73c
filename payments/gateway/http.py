"""HTTP as the SDK asks for it, straight over urllib3: half of what a call costs us otherwise is spent in between.

Connections are kept and shared by all threads, as a new TLS connection costs more CPU than the call itself. Nothing is
followed, tried again or read from the environment: whatever happens to a call is told once.
"""

from collections.abc import Mapping
from typing import Any

import stripe
import urllib3


class PooledClient(stripe.HTTPClient):
    """What the SDK takes for `http_client`. `timeout`: seconds to connect and to read; `connections`: kept ones."""

    name = "urllib3"

    def __init__(self, *, timeout: tuple[float, float], connections: int) -> None:
        super().__init__()
        connect, read = timeout
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=urllib3.Timeout(connect=connect, read=read),
            ca_certs=stripe.ca_bundle_path,
            cert_reqs="CERT_REQUIRED",
        )

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """The body, status and headers of the answer. Raises the SDK's own error where there is none."""
        try:
            answer = self._pool.request(
                method.upper(), url, body=post_data, headers=headers, redirect=False, retries=False
            )
        except Exception as error:
            # As the SDK's own clients do: whatever it is, nobody knows what has become of the call.
            raise stripe.APIConnectionError(f"no answer: {type(error).__name__}") from error  # type: ignore[no-untyped-call]
        return answer.data, answer.status, answer.headers

    def close(self) -> None:
        """End the connections that are kept."""
        self._pool.clear()
