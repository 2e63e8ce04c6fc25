"""One request to the API and what came of it. The only module that knows httpx.

The key is in the form and in a header, since the API's clients disagree on which it wants.
It is in nothing that leaves this module: errors are made anew, and never raised while one
of httpx, which holds the request, is being handled.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from playrail.errors import (
    ApiConnectFailed,
    ApiConnectionLost,
    ApiConnectTimeout,
    ApiDnsFailed,
    ApiError,
    ApiReadTimeout,
    ApiTlsFailed,
    ApiTruncated,
    ApiUnexpected,
    ServerMisconfigured,
)
from playrail.mikrus.replies import Outcome, judge

CONNECT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=5)


class Progress:
    """How far a request has come, as httpcore tells it."""

    def __init__(self) -> None:
        self.encrypting = False
        self.connecting = False
        self.sent = False
        """Whether the API may have the request."""
        self.answering = False

    async def on(self, event: str, info: Mapping[str, Any]) -> None:
        """Takes an event of https://www.encode.io/httpcore/extensions/#trace."""
        if event.endswith("connect_tcp.started"):
            self.connecting = True
        elif event.endswith("start_tls.started"):
            self.encrypting = True
        elif event.endswith("send_request_headers.started"):
            self.encrypting = False
            self.sent = info["request"].method != b"CONNECT"  # that one is for a proxy
        elif event.endswith("receive_response_headers.complete"):
            self.answering = self.sent

    def too_late(self) -> Outcome:
        """The outcome when no more time is left."""
        if self.answering:
            error: ApiError = ApiTruncated("The API's answer did not end in time.")
        elif self.sent:
            error = ApiReadTimeout("The API did not answer in time.")
        else:
            error = ApiConnectTimeout("The connection to the API was not made in time.")
        return Outcome(error=error, again=True, maybe_done=self.sent)


class Transport:
    """Sends requests over one pool of connections, which is made with the first."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def send(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        key: SecretStr,
        answer_s: float,
        progress: Progress,
    ) -> Outcome:
        """Sends one request, and tells what came of it. Waits `answer_s` seconds for each
        part of the answer.
        """
        secret = key.get_secret_value()
        if not secret.isascii() or not secret.isprintable() or secret != secret.strip():
            bad_key = ServerMisconfigured(
                "The key of this server holds characters that no key of mikr.us has."
            )
            return Outcome(error=bad_key)
        try:
            client = self._made()
        except (OSError, ValueError) as error:
            why = type(error).__name__
            wrong = ApiTlsFailed(
                f"The certificates or the proxy that the environment names cannot be used ({why})."
            )
            return Outcome(error=wrong)
        try:
            status, headers, text = await _exchange(
                client, url, {**form, "key": secret}, answer_s, progress
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _translated(error, progress)
        if len(text) > MAX_ANSWER_BYTES:
            too_long = ApiUnexpected(f"The API's answer is longer than {MAX_ANSWER_BYTES} bytes.")
            return Outcome(error=too_long, maybe_done=True)
        return judge(status, text, retry_after=headers.get("Retry-After"), key=key)

    def _made(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(follow_redirects=False, limits=LIMITS)
        return self._client


async def _exchange(
    client: httpx.AsyncClient,
    url: str,
    form: Mapping[str, str],
    answer_s: float,
    progress: Progress,
) -> tuple[int, httpx.Headers, bytes]:
    """The answer's status, headers and text, of which no more is read than shows that it is
    too long.
    """
    client.cookies.clear()  # of an answer to a request with another key
    request = client.build_request(
        "POST",
        url,
        data=dict(form),
        headers={"Authorization": f"Bearer {form['key']}", "Accept": "application/json"},
        timeout=httpx.Timeout(answer_s, connect=CONNECT_TIMEOUT_S, pool=None),
        extensions={"trace": progress.on},
    )
    response = await client.send(request, stream=True)
    try:
        text = bytearray()
        async for part in response.aiter_bytes():
            text += part
            if len(text) > MAX_ANSWER_BYTES:
                break
    finally:
        await response.aclose()
    return response.status_code, response.headers, bytes(text)


def _translated(error: Exception, progress: Progress) -> Outcome:
    """The outcome of a request that httpx gave up. Says nothing of what httpx says, which
    may quote the request.
    """
    if not progress.sent:
        return Outcome(
            error=_unsent(error, progress), again=isinstance(error, httpx.TransportError)
        )
    if progress.answering:
        if isinstance(error, httpx.DecodingError) or str(error).startswith(
            "Invalid URL in location"
        ):
            return Outcome(
                error=ApiUnexpected("The API's answer is not valid HTTP."), maybe_done=True
            )
        return Outcome(
            error=ApiTruncated("The API's answer did not come to its end."),
            again=True,
            maybe_done=True,
        )
    if isinstance(error, httpx.TimeoutException):
        return Outcome(
            error=ApiReadTimeout("The API did not answer in time."), again=True, maybe_done=True
        )
    if isinstance(error, httpx.RemoteProtocolError) and not str(error).startswith(
        "Server disconnected"
    ):
        return Outcome(error=ApiUnexpected("What answered does not speak HTTP."), maybe_done=True)
    lost = ApiConnectionLost("The connection to the API ended before an answer came.")
    return Outcome(error=lost, again=True, maybe_done=True)


def _unsent(error: Exception, progress: Progress) -> ApiError:
    """The error when the request was certainly not sent."""
    causes = list(_chain(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return ApiDnsFailed("The name of the API's host has no address.")
    if isinstance(error, httpx.TimeoutException):
        return ApiConnectTimeout("Nobody took the connection to the API in time.")
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ApiTlsFailed(f"The API's certificate is not valid: {cause.verify_message}.")
    if progress.encrypting or any(isinstance(cause, ssl.SSLError) for cause in causes):
        return ApiTlsFailed("No encrypted connection to the API could be made.")
    if isinstance(error, httpx.TransportError):
        numbers = [cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno]
        why = f": {os.strerror(numbers[0])}" if numbers else ""
        return ApiConnectFailed(f"The API's host does not take the connection{why}.")
    return ApiUnexpected(
        "The request to the API could not be made.", hint="The operator should check `api_url`."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it."""
    if error is None:
        return
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _chain(one)
    yield from _chain(error.__cause__ or error.__context__)
