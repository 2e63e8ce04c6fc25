"""Ansible's connection to a VPS of mikr.us without SSH: every command is a job over the
API's /exec.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from shlex import quote
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from pydantic import SecretStr, ValidationError

from playrail.ansible.kept.ansiballz import as_input
from playrail.codes import calls
from playrail.errors import PlayrailError, RateLimited
from playrail.mikrus.client import Mikrus
from playrail.mikrus.jobs import ANSWER_S, PATIENCE_S, Done, Input, JobFailed, Jobs, Place
from playrail.mikrus.pace import Pace, Rate, Turn
from playrail.settings.mikrus_server import MikrusServer

DOCUMENTATION = """
name: mikrus_exec
short_description: Runs commands on a VPS of mikr.us over the HTTP API
description:
  - Runs commands as root through C(/exec) of the mikr.us API. A module takes one request when the
    server has what all modules share, and its key gets about five a minute.
  - A connection that fails says C(mikr.us [CODE]) or C(mikr.us [CODE SECONDS]), then a colon and a
    sentence. SECONDS is when to try again. C(connection_lost) means that the command may have run;
    any other code that it has not.
author: Playrail
options:
  srv:
    description: The server's name at mikr.us.
    type: str
    required: true
    vars: [{name: ansible_mikrus_srv}]
  url:
    description: The address of the API.
    type: str
    default: https://api.mikr.us
    vars: [{name: ansible_mikrus_url}]
  key:
    description: The server's API key.
    type: str
    required: true
    vars: [{name: ansible_mikrus_key}]
  rate:
    description: How many requests the key gets in how many seconds.
    type: str
    default: 5/60
    vars: [{name: ansible_mikrus_rate}]
  pace_dir:
    description:
      - A directory of this user's own, in which all its processes keep count of the requests.
    type: path
    required: true
    vars: [{name: ansible_mikrus_pace_dir}]
  remote_dir:
    description:
      - Where jobs, and what modules share, lie on the server. Only root may write where it is made.
    type: str
    default: /var/cache/playrail
    vars: [{name: ansible_mikrus_remote_dir}]
  wait:
    description:
      - How many seconds one request waits for the end of a command. The API ends requests after 60.
    type: float
    default: 45
    vars: [{name: ansible_mikrus_wait}]
"""

display = Display()


class Connection(ConnectionBase):
    """One client and one event loop, from the first command until it is closed."""

    transport = "mikrus_exec"
    has_pipelining = True
    has_tty = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._runner: asyncio.Runner | None = None
        self._client: Mikrus | None = None
        self._jobs: Jobs | None = None

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:
        """Say yes whatever the configuration says: without it a module takes five requests,
        a minute's worth.
        """
        return not wrap_async and (self.become is None or bool(self.become.pipelining))

    def _connect(self) -> Connection:
        if self._jobs is None:
            try:
                server = MikrusServer(
                    key=SecretStr(str(self.get_option("key"))),
                    srv=str(self.get_option("srv")),
                    api_url=str(self.get_option("url")),
                )
                place = Place(
                    root=str(self.get_option("remote_dir")), wait_s=float(self.get_option("wait"))
                )
                pace = _ShortQueue(
                    Path(str(self.get_option("pace_dir"))), _rate(str(self.get_option("rate")))
                )
            except ValidationError as error:
                fields = ", ".join(
                    str(problem["loc"][0]) for problem in error.errors(include_input=False)
                )
                raise _failure(
                    calls.SERVER_MISCONFIGURED, f"These settings of the server are wrong: {fields}."
                ) from None
            except ValueError as error:
                raise _failure(
                    calls.SERVER_MISCONFIGURED, f"The settings of the server are wrong: {error}."
                ) from None
            self._runner = asyncio.Runner()
            self._client = Mikrus(pace)
            self._jobs = Jobs(_Sender(self._client, server), place)
        self._connected = True
        return self

    def exec_command(
        self, cmd: str | bytes, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a command; `in_data` is what it reads."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        text = cmd.decode(errors="surrogateescape") if isinstance(cmd, bytes) else cmd
        done = self._run(text, as_input(in_data or b""))
        return done.code, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        try:
            data = Path(in_path).read_bytes()
        except OSError as error:
            raise AnsibleFileNotFound(f"{in_path} cannot be read: {error.strerror}") from error
        self._must(
            f"cat >{quote(out_path)}",
            as_input(data),
            f"{out_path} could not be written on the server",
        )

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        done = self._must(
            f"cat <{quote(in_path)}", Input(), f"{in_path} could not be read on the server"
        )
        Path(out_path).write_bytes(done.stdout)

    def reset(self) -> None:
        self.close()

    def close(self) -> None:
        runner, client = self._runner, self._client
        self._runner = self._client = self._jobs = None
        self._connected = False
        if runner is not None and client is not None:
            runner.run(client.close())
            runner.close()

    def _must(self, command: str, given: Input, otherwise: str) -> Done:
        done = self._run(command, given)
        if done.code != 0:
            raise AnsibleError(
                f"{otherwise}: {done.stderr.decode(errors='replace').strip()[-300:]}"
            )
        return done

    def _run(self, command: str, given: Input) -> Done:
        self._connect()
        assert self._jobs is not None  # made by _connect
        return self._finish(self._jobs.run(command, given))

    def _finish(self, work: Coroutine[Any, Any, Done]) -> Done:
        assert self._runner is not None  # made by _connect
        try:
            return self._runner.run(work)
        except JobFailed as error:
            raise _failure(error.code, str(error)) from None
        except RateLimited as error:
            after_s = error.problem.retry_after_s
            raise _failure(
                error.code if after_s is None else f"{error.code} {after_s}", str(error)
            ) from None
        except PlayrailError as error:
            raise _failure(error.code, str(error)) from None


class _ShortQueue(Pace):
    """Waits for a place no longer than leaves a request, once it is sent, the time that the
    API may take.
    """

    def reserve(self, key: SecretStr, longest_s: float) -> Turn:
        return super().reserve(key, min(longest_s, PATIENCE_S))


class _Sender:
    """Has commands run by /exec; the `Send` of jobs.py."""

    def __init__(self, client: Mikrus, server: MikrusServer) -> None:
        self._client = client
        self._server = server

    async def __call__(self, command: str) -> str:
        display.vv(
            f"mikr.us: a request of {len(command)} bytes, as soon as the key may send one",
            self._server.srv,
        )
        reply = await self._client.ask(
            self._server,
            "/exec",
            {"cmd": command},
            repeatable=False,
            within_s=PATIENCE_S + ANSWER_S,
        )
        output = reply.body.get("output") if isinstance(reply.body, dict) else None
        return output if isinstance(output, str) else ""


def _rate(text: str) -> Rate:
    requests, _, seconds = text.partition("/")
    return Rate(requests=int(requests), window_s=float(seconds))


def _failure(code: str, message: str) -> AnsibleConnectionFailure:
    return AnsibleConnectionFailure(f"mikr.us [{code}]: {message}")
