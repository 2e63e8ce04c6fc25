"""MCP over standard input and output: lines of JSON, in both directions.

It takes the place of the SDK's transport, which says nothing to a line that it cannot read,
and waits for ever for a client that does not read. The server itself is the SDK's, and
reads and writes the same kind of messages.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage

from playrail.server.messages import (
    Refusal,
    Unreadable,
    is_an_id,
    message_of,
    parsed,
    too_long,
    whole,
)

log = logging.getLogger(__name__)

# Bytes; the largest content that a tool takes fits six times over, as \u0000 is long
LONGEST_LINE = 64 * 1024 * 1024
KEPT_OF_LONG_LINE = 64 * 1024  # bytes of its head and of its tail
# For answers that are nearly there when the input ends: clients kill who stays for seconds
AFTER_INPUT_S = 0.3
LAST_WRITE_S = 5.0  # for the client to read the last of them
BATCHES_IN = "2025-03-26"  # the one revision of MCP that has them
MOST_REFUSED_AT_ONCE = 100  # errors that answer a batch one by one

Source = io.BufferedReader
Message = SessionMessage | Exception
END = object()


def take_standard_streams() -> tuple[Source, int]:
    """The wire, as descriptors of its own. What this process or a child of it prints then
    goes to standard error, and what reads standard input finds its end.
    """
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no standard error
        os.dup2(nothing, 1)
    os.close(nothing)
    return os.fdopen(wire_in, "rb", closefd=False), wire_out


@dataclass(eq=False)
class Batch:
    """Requests that came together, and are answered together."""

    waits_for: set[Hashable] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)


class Stdio:
    """One client on two descriptors."""

    def __init__(self, source: Source, target: int) -> None:
        self._source = source
        self._target = target
        self._writing = anyio.Lock()
        self._reader = anyio.CancelScope()
        self._running: dict[Hashable, Batch | None] = {}
        """The requests that are not answered yet, each with the batch that it came in."""
        self._settled = anyio.Event()
        self._asked: set[Any] = set()
        """The ids of the server's own requests that the client has not answered."""
        self._initialize: Hashable = None
        self._version = ""
        self.is_stuck = False
        """Whether a thread waits for the client, and cannot be ended."""

    async def serve(self, server: Server[Any]) -> None:
        """Serves until the input ends, or nobody can read the output any more."""
        to_server, from_client = anyio.create_memory_object_stream[Message](0)
        to_client, from_server = anyio.create_memory_object_stream[SessionMessage](0)
        written = anyio.Event()

        async def write() -> None:
            async with from_server:
                async for item in from_server:
                    await self._write(item.message)
            written.set()

        async with anyio.create_task_group() as group:
            group.start_soon(self._read_all, to_server)
            group.start_soon(write)
            await server.run(from_client, to_client, server.create_initialization_options())
            with anyio.move_on_after(LAST_WRITE_S):
                await written.wait()
            self.is_stuck = self.is_stuck or not written.is_set()
            group.cancel_scope.cancel()

    async def _read_all(self, to_server: MemoryObjectSendStream[Message]) -> None:
        async with to_server:
            with self._reader:
                while (
                    value := await anyio.to_thread.run_sync(self._next, abandon_on_cancel=True)
                ) is not END:
                    await self._take(value, to_server)
                with anyio.move_on_after(AFTER_INPUT_S):
                    await self._all_answered()

    def _next(self) -> Any:
        """What the next line holds: JSON data, or a Refusal; END at the end. Runs in a
        thread.
        """
        while True:
            line = self._source.readline(LONGEST_LINE + 1)
            if not line:
                return END
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                return too_long(
                    line[:KEPT_OF_LONG_LINE],
                    self._skip(line[-KEPT_OF_LONG_LINE:]),
                    most=LONGEST_LINE,
                )
            if line.isspace():
                continue
            try:
                return parsed(line)
            except Unreadable as error:
                return error.refusal

    def _skip(self, tail: bytes) -> bytes:
        """Reads to the end of the line; returns the last of it."""
        while not tail.endswith(b"\n"):
            more = self._source.readline(KEPT_OF_LONG_LINE)
            if not more:
                break
            tail = (tail + more)[-KEPT_OF_LONG_LINE:]
        return tail

    async def _take(self, value: Any, to_server: MemoryObjectSendStream[Message]) -> None:
        if isinstance(value, Refusal):
            await self._refuse(value)
        elif isinstance(value, list):
            await self._take_batch(value, to_server)
        else:
            await self._take_one(value, to_server, None)

    async def _take_one(
        self, value: Any, to_server: MemoryObjectSendStream[Message], batch: Batch | None
    ) -> None:
        message = message_of(value, is_asked=isinstance(value, dict) and self._is_asked(value))
        if isinstance(message, types.JSONRPCRequest):
            message = self._started(message, batch)
        if isinstance(message, Refusal):
            await self._refuse(message, batch)
            return
        if (
            isinstance(message, types.JSONRPCNotification)
            and message.method == "notifications/cancelled"
        ):
            await self._withdrawn((message.params or {}).get("requestId"))
        await to_server.send(SessionMessage(message))

    def _is_asked(self, value: dict[str, Any]) -> bool:
        found = value.get("id")
        return is_an_id(found) and whole(found) in self._asked

    def _started(
        self, request: types.JSONRPCRequest, batch: Batch | None
    ) -> types.JSONRPCRequest | Refusal:
        key = _key(request.id)
        # To serve it too would give one id two answers, and might do a change twice
        if key in self._running:
            why = "Invalid request: a request with this id is still being served"
            return Refusal(code=types.INVALID_REQUEST, why=why, id=request.id)
        if request.method == "initialize":
            if batch is not None:
                why = "Invalid request: initialize cannot be part of a batch"
                return Refusal(code=types.INVALID_REQUEST, why=why, id=request.id)
            self._initialize = key
        self._running[key] = batch
        if batch is not None:
            batch.waits_for.add(key)
        return request

    async def _take_batch(
        self, values: list[Any], to_server: MemoryObjectSendStream[Message]
    ) -> None:
        if self._version != BATCHES_IN:
            await self._refuse_batch(values)
            return
        if not values:
            await self._refuse(
                Refusal(code=types.INVALID_REQUEST, why="Invalid request: the batch is empty")
            )
            return
        # Which is no id: it is not complete before all of it was taken
        batch = Batch(waits_for={END})
        for value in values:
            await self._take_one(value, to_server, batch)
        await self._complete(batch, END)

    async def _refuse_batch(self, values: list[Any]) -> None:
        """In a protocol without batches each request is one by itself, and so is its
        answer.
        """
        why = (
            f"Invalid request: MCP {self._version or 'without a version'} has no batches; send "
            "one message a line"
        )
        ids = [
            value["id"] for value in values if isinstance(value, dict) and is_an_id(value.get("id"))
        ]
        for found in ids if 0 < len(ids) <= MOST_REFUSED_AT_ONCE else [None]:
            await self._refuse(Refusal(code=types.INVALID_REQUEST, why=why, id=found))

    async def _refuse(self, refusal: Refusal, batch: Batch | None = None) -> None:
        if not refusal.answered:
            log.warning("a message of the client was dropped: %s", refusal.why)
            return
        log.warning("a request of the client was refused: %s", refusal.why)
        if batch is not None:
            batch.answers.append(refusal.line())
        else:
            await self._put(refusal.line())

    async def _withdrawn(self, name: Any) -> None:
        """The client takes back a request: it gets no answer, and nobody waits for one."""
        for key in [
            key for key in self._running if isinstance(name, str | int) and _same(key, name)
        ]:
            await self._complete(self._running.pop(key), key)
        self._settle()

    async def _write(self, message: types.JSONRPCMessage) -> None:
        text = _encoded(message)
        if isinstance(message, types.JSONRPCRequest):
            self._asked.add(message.id)
        if not isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            await self._put(text)
            return
        key = _key(message.id)
        if key == self._initialize and isinstance(message, types.JSONRPCResponse):
            self._version = str(message.result.get("protocolVersion", ""))
        batch = self._running.pop(key, None)
        if batch is None:
            await self._put(text)
        else:
            batch.answers.append(text)
            await self._complete(batch, key)
        self._settle()

    async def _complete(self, batch: Batch | None, key: Hashable) -> None:
        """Answers the batch when this was the last that it waited for."""
        if batch is None or key not in batch.waits_for:
            return
        batch.waits_for.discard(key)
        if not batch.waits_for and batch.answers:
            await self._put(f"[{','.join(batch.answers)}]")

    def _settle(self) -> None:
        if not self._running:
            self._settled.set()

    async def _all_answered(self) -> None:
        if self._running:
            self._settled = anyio.Event()
            await self._settled.wait()

    async def _put(self, text: str) -> None:
        """Writes a line. When nobody can read it any more, the input counts as ended."""
        async with self._writing:
            if self.is_stuck:
                return
            try:
                await anyio.to_thread.run_sync(
                    _write_all, self._target, f"{text}\n".encode(), abandon_on_cancel=True
                )
            except OSError as error:
                log.info("the client does not take answers any more (%s)", error.strerror)
                self.is_stuck = True  # the thread that reads standard input, at least
                self._reader.cancel()


def _write_all(target: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(target, left) :]


def _key(name: types.RequestId | None) -> Hashable:
    return type(name), name


def _same(key: Hashable, name: str | int) -> bool:
    """Whether a request to cancel means this one; the SDK takes "7" for 7 there."""
    return isinstance(key, tuple) and str(key[1]) == str(name)


def _encoded(message: types.JSONRPCMessage) -> str:
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError:  # a text in it is not Unicode: JSON can escape that
        return json.dumps(message.model_dump(by_alias=True, exclude_unset=True))
