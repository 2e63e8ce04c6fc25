"""A stand-in for api.mikr.us on 127.0.0.1, for tests. What nobody has recorded of the real
one is a choice here:

the texts of errors, what comes when a command of /exec takes longer than 60 s, the limit of
a request's size.

    simulator = Simulator(execute=on_this_machine())
    with running(simulator) as url:
        MikrusServer(srv=SRV, key=SecretStr(KEY), api_url=url)
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

import uvicorn

from mikrus import recorded
from mikrus.execute import Execute, TooLong
from playrail.mikrus.pace import Rate

SRV = "j230"
KEY = "0123456789abcdef0123456789abcdef01234567"
CACHED = frozenset({"/info", "/serwery", "/db", "/stats", "/porty"})
EXEC_FAILED = "błąd wykonania polecenia"  # what clients of the API know as a failure of /exec
HTML = b"<html><head><title>mikr.us</title></head><body><h1>Przerwa techniczna</h1></body></html>"
JSON_TYPE = "application/json"
REFUSED_NAME = {"error": "Niepoprawna nazwa domeny"}


@dataclass(kw_only=True)
class Vps:
    """A server of the account: its key, and the body that each endpoint which only looks
    answers with.
    """

    srv: str = SRV
    key: str = KEY
    answers: dict[str, Any] = field(default_factory=recorded.answers)
    domains: list[dict[str, str]] = field(default_factory=lambda: list(recorded.DOMAINS))
    tasks: int = 3752


@dataclass(frozen=True, kw_only=True)
class Request:
    """What came: the form without srv and key, and how it named the key."""

    endpoint: str
    srv: str | None
    form: Mapping[str, str]
    at: float
    """time.monotonic()"""
    key_in_form: bool
    key_in_header: bool
    cookie: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one request, the next one to `endpoint` (to any, when None).

    `worked`: whether the work was done all the same. The answer is late by `delay_s`; then
    the connection is cut before any byte of it or half-way (`cut`), or it has `status`,
    `headers` and `body` (None: the right one, cut in half when `halved`).
    """

    endpoint: str | None = None
    worked: bool = True
    delay_s: float = 0.0
    cut: Literal["before", "halfway"] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    body: bytes | None = None
    halved: bool = False


NEVER_S = 1000.0  # longer than any test waits


def delay(seconds: float, *, endpoint: str | None = None, worked: bool = True) -> Fault:
    return Fault(endpoint=endpoint, delay_s=seconds, worked=worked)


def status(
    code: int, body: bytes = b"", *, content_type: str = "text/plain", **headers: str
) -> Fault:
    """An answer with this status; nothing was done. `Retry_After="3"` is the header
    Retry-After.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(worked=False, status=code, body=body, content_type=content_type, headers=named)


def html_page(code: int = 200) -> Fault:
    return Fault(worked=False, status=code, body=HTML, content_type="text/html; charset=utf-8")


def truncated_json() -> Fault:
    return Fault(halved=True)


def wrong_type() -> Fault:
    """The right body, called text/html."""
    return Fault(content_type="text/html; charset=utf-8")


def error(words: str, code: int = 200, *, worked: bool = False) -> Fault:
    return Fault(worked=worked, status=code, body=json.dumps({"error": words}).encode())


def cut_before_work() -> Fault:
    return Fault(worked=False, cut="before")


def cut_after_work() -> Fault:
    return Fault(worked=True, cut="before")


def cut_within_answer() -> Fault:
    return Fault(worked=True, cut="halfway")


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Any, code: int = 200) -> _Answer:
        return cls(code, json.dumps(body, ensure_ascii=False).encode())


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Simulator:
    """The API as an ASGI application. What it is made of may be changed while it runs."""

    def __init__(
        self,
        *vps: Vps,
        execute: Execute | None = None,
        rate: Rate | None = None,
        cache_s: float = 60.0,
    ) -> None:
        self.servers = {one.srv: one for one in vps or (Vps(),)}
        self.execute = execute
        self.rate = rate
        """How many requests it takes from a key until it answers 429; None: any number."""
        self.cache_s = cache_s
        self.tells_retry_after = False
        self.escapes_html = False
        """Whether the texts of /exec and /stats have &lt; for < and the like."""
        self.exec_too_long: _Answer = _Answer.of({"output": EXEC_FAILED})
        self.body_limit = 1024 * 1024
        """Bytes of a request; a longer one is answered with 413."""
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.done: list[tuple[str, str, Mapping[str, str]]] = []
        """Every change that was made: srv, endpoint, form."""
        self._taken: dict[str, list[float]] = {}
        self._cache: dict[tuple[str, str], tuple[float, Any]] = {}
        self._pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="exec")

    def came(self, endpoint: str) -> list[Request]:
        """The requests to an endpoint."""
        return [request for request in self.requests if request.endpoint == endpoint]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if event["type"] == "http.disconnect" or not event.get("more_body"):
                break
        fault, answer = await self._answer(scope, body)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.cut is not None:
            await _cut(send, answer if fault.cut == "halfway" else None)
            return
        await _send(send, answer)

    async def _answer(self, scope: Scope, body: bytes) -> tuple[Fault | None, _Answer]:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        header = headers.get("authorization", "")
        request = Request(
            endpoint=scope["path"],
            srv=form.pop("srv", None),
            at=time.monotonic(),
            key_in_form="key" in form,
            key_in_header=header.startswith("Bearer "),
            form={name: value for name, value in form.items() if name != "key"},
            cookie=headers.get("cookie"),
        )
        self.requests.append(request)
        fault = self._next_fault(request.endpoint)
        if fault is not None and not fault.worked:
            return fault, _faulty(fault, _Answer(fault.status, b""))
        if scope["method"] != "POST":
            return fault, _Answer(405, b"", "text/plain")
        if len(body) > self.body_limit:
            return fault, _Answer(413, HTML, "text/html")
        answer = self._refusal(request, form.get("key"), header) or await self._work(request)
        return fault, _faulty(fault, answer) if fault is not None else answer

    def _next_fault(self, endpoint: str) -> Fault | None:
        for at, fault in enumerate(self.faults):
            if fault.endpoint in (None, endpoint):
                return self.faults.pop(at)
        return None

    def _refusal(self, request: Request, key: str | None, header: str) -> _Answer | None:
        vps = self.servers.get(request.srv or "")
        if vps is None or key != vps.key or header != f"Bearer {vps.key}":
            return _Answer.of({"error": "Niepoprawny klucz lub serwer"}, 400)
        if self.rate is None:
            return None
        now = time.monotonic()
        taken = [at for at in self._taken.get(vps.key, []) if at > now - self.rate.window_s]
        if len(taken) >= self.rate.requests:
            wait_s = taken[-self.rate.requests] + self.rate.window_s - now
            told = {"Retry-After": str(int(wait_s) + 1)} if self.tells_retry_after else {}
            return _Answer(429, b"Too Many Requests", "text/plain", told)
        self._taken[vps.key] = [*taken, now]
        return None

    async def _work(self, request: Request) -> _Answer:
        vps = self.servers[str(request.srv)]
        endpoint, form = request.endpoint, request.form
        if endpoint in vps.answers:
            return _Answer.of(
                self._cached(vps, endpoint) if endpoint in CACHED else vps.answers[endpoint]
            )
        if found := re.fullmatch(r"/logs/([^/]+)", endpoint):
            log = next((one for one in vps.answers["/logs"] if one["id"] == found[1]), None)
            return _Answer.of(log or {"error": "Nie ma takiego wpisu"})
        if endpoint == "/domain":
            return _Answer.of(self._domain(vps, form) if form else vps.domains)
        if endpoint in {"/restart", "/amfetamina"}:
            vps.tasks += 1
            self.done.append((vps.srv, endpoint, form))
            return _Answer.of({"msg": "Zadanie zlecone", "task_id": vps.tasks})
        if endpoint == "/exec" and "cmd" in form and self.execute is not None:
            self.done.append((vps.srv, endpoint, form))
            return await self._exec(self.execute, form["cmd"])
        return _Answer(404, HTML, "text/html")

    def _cached(self, vps: Vps, endpoint: str) -> Any:
        made, body = self._cache.get((vps.srv, endpoint), (float("-inf"), None))
        if time.monotonic() - made > self.cache_s:
            body = vps.answers[endpoint]
            if endpoint == "/stats" and self.escapes_html:
                body = {name: html.escape(text) for name, text in body.items()}
            self._cache[vps.srv, endpoint] = time.monotonic(), body
        return body

    def _domain(self, vps: Vps, form: Mapping[str, str]) -> Any:
        name = (
            f"auto{len(vps.domains)}.byst.re"
            if form.get("domain") == "-"
            else form.get("domain", "")
        )
        if "." not in name or {"name": name} in vps.domains:
            return REFUSED_NAME
        vps.domains.append({"name": name})
        self.done.append((vps.srv, "/domain", form))
        told = {"status": "Domena gotowe", "domain": name}
        return told | ({"port": form["port"]} if "port" in form else {})

    async def _exec(self, execute: Execute, cmd: str) -> _Answer:
        try:
            output = await asyncio.get_running_loop().run_in_executor(self._pool, execute, cmd)
        except TooLong:
            return self.exec_too_long
        text = output.decode(errors="replace")
        return _Answer.of({"output": html.escape(text) if self.escapes_html else text})


def _faulty(fault: Fault, answer: _Answer) -> _Answer:
    body = answer.body if fault.body is None else fault.body
    if fault.halved:
        body = body[: len(body) // 2]
    code = answer.status if fault.status == 200 else fault.status
    return _Answer(code, body, fault.content_type, fault.headers)


def _start(answer: _Answer) -> dict[str, Any]:
    headers = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
        **answer.headers,
    }
    return {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }


async def _send(send: Send, answer: _Answer) -> None:
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.body})


async def _cut(send: Send, answer: _Answer | None) -> None:
    """Ends the connection, after the first half of the answer when there is one."""
    if answer is not None:
        await send(_start(answer))
        await send(
            {
                "type": "http.response.body",
                "body": answer.body[: len(answer.body) // 2],
                "more_body": True,
            }
        )
    # uvicorn's, beside the ASGI protocol
    transport = send.__self__.transport  # type: ignore[attr-defined]
    if answer is None:
        transport.abort()
    else:
        transport.close()
    await asyncio.sleep(0.01)  # until uvicorn knows


@dataclass
class Current:
    """What is served: one simulator after the other at the same address."""

    simulator: Simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.simulator(scope, receive, send)


@contextlib.contextmanager
def running(simulator: Application) -> Iterator[str]:
    """Serves a simulator on a free port of 127.0.0.1; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            simulator,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the simulator did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)
