"""HTTP as the SDK asks for it, without what it does in between: half of what a call costs us otherwise.

Over urllib3 for whoever waits in a thread, and over aiohttp on the event loop of this process, where hundreds of calls
wait at once. Connections are kept and shared, as a new TLS connection costs more CPU than the call itself.
Nothing is followed, tried again or read from the environment: whatever happens to a call is told once.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import stripe
import urllib3
from yarl import URL

from payments.gateway import event_loop


class _Connector(aiohttp.TCPConnector):
    """One that leaves a kept connection on which something came that nobody had asked for: it would be taken for the
    answer to the next call. And one that takes the one that was used last: aiohttp takes the one that has waited the
    longest, so that all that a busy moment has opened would be used in turn, and kept while there are calls."""

    async def _get(self, key: Any, traces: Any) -> Any:
        if all_kept := self._conns.get(key):
            all_kept.rotate(1)
        while kept := await super()._get(key, traces):
            if kept.protocol is not None and not kept.protocol.should_close:
                return kept
            kept.close()
        return None


class PooledClient(stripe.HTTPClient):
    """What the SDK takes for `http_client`. `timeout`: seconds to connect and to read; `connections`: kept ones."""

    name = "urllib3"

    def __init__(self, *, timeout: tuple[float, float], connections: int) -> None:
        super().__init__()
        self._timeout, self._connections = timeout, connections
        self._session: aiohttp.ClientSession | None = None
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

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """As `request`, on the event loop of this process."""
        try:
            if self._session is None:
                self._session = self._open()
            sent = self._session.request(
                method, URL(url, encoded=True), data=post_data, headers=headers, allow_redirects=False
            )
            async with sent as answer:
                return await answer.read(), answer.status, answer.headers
        except Exception as error:
            raise stripe.APIConnectionError(f"no answer: {type(error).__name__}") from error  # type: ignore[no-untyped-call]

    def _open(self) -> aiohttp.ClientSession:
        connect, read = self._timeout
        connector = _Connector(limit=self._connections, ssl=ssl.create_default_context(cafile=stripe.ca_bundle_path))
        # Whoever waits for a connection waits for it: the caller has a deadline of its own.
        timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=connect, sock_read=read)
        session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=["Accept-Encoding"],
        )  # fmt: skip
        # It would send a GET again whose kept connection breaks: one more than we count.
        session._retry_connection = False
        event_loop.close_at_exit(session.close)
        return session

    def close(self) -> None:
        """End the connections that are kept."""
        self._pool.clear()
        if self._session:
            event_loop.start(self._session.close()).result()
            self._session = None
