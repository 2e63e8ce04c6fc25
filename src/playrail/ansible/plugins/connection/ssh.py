"""Ansible's own ssh connection, but for modules: these go to an interpreter that waits on
the host already.

A module goes there only when PLAYRAIL_CHANNELS names the broker's socket, see
../../kept/broker.py. Everything else, and a module whenever something is not as expected
before it was sent, goes the way of the plugin that this one extends.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import signal
import socket
import sys
import time
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import ansible.plugins.connection
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.utils.display import Display

from playrail.ansible.internals import identity_of
from playrail.ansible.kept.interpreter import PLACEHOLDER, SIZES, START, frame
from playrail.ansible.outcome.ways import module_line
from playrail.ansible.ssh.marked_commands import BEGUN, LOST, NOT_BEGUN, SSH_FAILED
from playrail.ansible.ssh.marked_connection import DENIED, MODULE, Marked
from playrail.ansible.ssh.options import (
    CONNECT_RETRIES,
    NO_TERMINAL,
    PLAIN_COMMAND,
    Connecting,
    log_options,
    session_options,
    without_unwanted_flags,
)


def _load_stock() -> Any:
    """The plugin that this one extends, by its file: its name is the one that Ansible's
    loader gives to this module.
    """
    path = Path(ansible.plugins.connection.__file__).with_name("ssh.py")
    loader = SourceFileLoader("playrail_stock_ssh", str(path))
    module = module_from_spec(ModuleSpec(loader.name, loader, origin=loader.path))
    loader.exec_module(module)
    return module


stock = _load_stock()
OWN_NAME = "ansible.plugins.connection.ssh"  # that Ansible's loader gives to this module
FULL_NAME = "ansible_collections.ansible.builtin.plugins.connection.ssh"
if __name__ == OWN_NAME:
    # Who writes `ansible.builtin.ssh` means the same, and gets the same promises.
    sys.modules.setdefault(FULL_NAME, sys.modules[__name__])
    session_options("ssh")  # once, for all forks

DOCUMENTATION = re.sub(
    r"^( *)options:\n( *)",
    r"""\1options:
\2playrail_fast:
\2    description: Whether modules may go to an interpreter that is kept on the host.
\2    type: bool
\2    default: true
\2    vars: [{name: playrail_fast}]
\2playrail_host:
\2    description: The host's name in the inventory, to tell by which way its modules go.
\2    type: str
\2    vars: [{name: inventory_hostname}]
\2""",
    stock.DOCUMENTATION,
    count=1,
    flags=re.MULTILINE,
)

RACE_GUARD = " && sleep 0"  # what ansible-core before 2.21 appends to commands
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
# Variables that a Python interpreter, or the loader of its libraries, heeds when it begins
# and not later.
STARTUP = re.compile(r"PYTHON.*|LC_.*|LANG|LANGUAGE|LD_.*|MALLOC_.*|GLIBC_.*|OPENSSL_.*|HOME")
TOO_LATE = re.compile(r"timed out|took too long", re.IGNORECASE)

display = Display()


class Unfit(Exception):
    """The module was not sent and cannot go to a kept interpreter. `told` is whether the
    user has heard it before.
    """

    def __init__(self, reason: str, *, told: bool = True) -> None:
        super().__init__(reason)
        self.told = told


# ansible-core has no type information
class Connection(Marked, stock.Connection):  # type: ignore[name-defined]
    """See the module's docstring."""

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a command; `in_data` is what it reads, for a pipelined module the module."""
        place = os.environ.get("PLAYRAIL_CHANNELS")
        if place and in_data and MODULE in in_data:
            try:
                return self._run_module(place, cmd, in_data)
            except Unfit as unfit:
                self._tell_way(str(unfit))
                (display.vv if unfit.told else display.warning)(
                    f"{self.host}: a module goes by plain ssh: {unfit}"
                )
        done: tuple[int, bytes, bytes] = super().exec_command(
            cmd, in_data=in_data, sudoable=sudoable
        )
        return done

    def _tell_way(self, why_not: str = "") -> None:
        """Tell how a module went; it is taken out of what Ansible displays, see
        warm/captured_events.py.
        """
        if self.has_option("playrail_host"):
            host = self.get_option("playrail_host")
            display.display(module_line(host, why_not), screen_only=True)

    def reset(self) -> None:
        """End the connection, and with it what is kept on the host."""
        if place := os.environ.get("PLAYRAIL_CHANNELS"):
            try:
                ask(place, {"do": "reset", "argv": self._argv()}, b"")
            except (Unfit, EOFError) as error:
                display.vv(f"{self.host}: {error}")
        super().reset()

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        """Of what the user says of retries the stock plugin hears nothing: it would run
        commands again.
        """
        return (
            0 if option == "reconnection_retries" else super().get_option(option, hostvars=hostvars)
        )

    def _may_be_fast(self) -> bool:
        # By its full name, the plugin has the options of the stock one.
        return not self.has_option("playrail_fast") or bool(self.get_option("playrail_fast"))

    def _is_tty_requested(self) -> bool:
        """Never: _build_command takes away what asks for one."""
        return False

    def _build_command(self, binary: str, subsystem: str, *other_args: bytes | str) -> list[bytes]:
        """What the stock plugin builds, for a command that reads what it is given and needs
        nobody.
        """
        built = [os.fsdecode(word) for word in super()._build_command(binary, subsystem)]
        start = built.index(binary) + 1
        before, options = built[:start], built[start:]
        first = [*PLAIN_COMMAND, *session_options("ssh")]
        if self._has_password():
            first.append("BatchMode=no")  # else ssh would not use the password
        first.extend(log_options(options))
        if subsystem == "ssh":
            options = [*without_unwanted_flags(options), NO_TERMINAL]
        words = [*before, *(word for option in first for word in ("-o", option)), *options]
        return [*map(os.fsencode, words), *(os.fsencode(word) for word in other_args)]

    def _bare_run(
        self,
        cmd: list[bytes],
        in_data: bytes | None,
        sudoable: bool = True,
        # what ended with ssh's own status is told above, by the stock plugin
        checkrc: bool = True,
    ) -> tuple[int, bytes, bytes]:
        """Run ssh, sftp or scp. It is run again only when it ended before anybody was
        logged in.
        """
        connecting = Connecting(self._connect_retries())
        while True:
            try:
                status, output, errors = super()._bare_run(
                    cmd, in_data, sudoable=sudoable, checkrc=False
                )
            except stock.AnsibleControlPersistBrokenPipeError as error:
                status, output, errors = SSH_FAILED, b"", str(error).encode()
            pause_s = connecting.pause_s(output, errors) if status == SSH_FAILED else None
            if pause_s is None:
                break
            display.vv(f"{self.host}: nobody was logged in; connecting again")
            time.sleep(pause_s)
            if cmd[0] == b"sshpass":  # it has read its pipe
                self.sshpass_pipe = os.pipe()
                cmd[1] = b"-d%d" % self.sshpass_pipe[0]
        return status, output, errors

    def _connect_retries(self) -> int:
        """How often the user wants a connection to be tried again: of this host, or of all."""
        said = os.environ.get(CONNECT_RETRIES, "")
        return int(super().get_option("reconnection_retries") or (said if said.isdigit() else 0))

    def _run_module(self, place: str, cmd: str, payload: bytes) -> tuple[int, bytes, bytes]:
        if not self._may_be_fast():
            raise Unfit("playrail_fast is off for the host")
        order = {"do": "run", "argv": self._argv(), **self._opening(cmd)}
        display.vv(f"{self.host}: a module of {len(payload)} bytes goes to the kept interpreter")
        try:
            told, output = ask(place, order, payload)
        except EOFError:
            raise self._lost("what keeps the connections has ended") from None
        if told["is"] == "lost":
            raise self._lost(told["reason"])
        if told["is"] == "refused":
            self._fail_like_ssh(told["text"], connected=told["connected"])
            raise Unfit(told["reason"], told=not told["first"])
        self._tell_way()
        stdout, stderr = output[: told["stdout"]], output[told["stdout"] :]
        if told["status"] < 0:  # the shell around the module would say so
            return (
                128 - told["status"],
                stdout,
                stderr + f"{signal.strsignal(-told['status'])}\n".encode(),
            )
        return told["status"], stdout, stderr

    def _lost(self, reason: str) -> AnsibleConnectionFailure:
        return AnsibleConnectionFailure(f"{LOST}{reason}")

    def _fail_like_ssh(self, text: str, *, connected: bool) -> None:
        """Raise what the stock plugin would, where the same attempt once more would cost
        time or lock an account.
        """
        become = self.become
        if become is not None and become.check_incorrect_password(text.encode()):
            raise AnsibleError(f"Incorrect {become.name} password")
        if become is not None and become.check_missing_password(text.encode()):
            raise AnsibleError(f"Missing {become.name} password")
        denied = DENIED.search(text) and not self._has_password()
        if not connected and (denied or TOO_LATE.search(text)):
            raise AnsibleConnectionFailure(self._with_key(f"{NOT_BEGUN}{text}"))

    def _has_password(self) -> bool:
        """Whether the login may be by a password, which a channel never is."""
        return bool(self.get_option("password") or self._play_context.password)

    def _argv(self) -> list[str]:
        """The ssh client that opens a channel, by a living master or by itself. It is no
        master and never asks.
        """
        self.host = self.get_option("host") or self._play_context.remote_addr
        first = ["ControlMaster=no", "BatchMode=yes"]
        if self._has_password():
            if self.get_option("password_mechanism") == "sshpass":
                raise Unfit("the login's password is given by sshpass")
            # Only by a master, which a plain command makes
            first.append("PreferredAuthentications=none")
        program, *options = self._build_command(self.get_option("ssh_executable"), "ssh", self.host)
        words = [
            program,
            *(word for option in first for word in (b"-o", option.encode())),
            *options,
        ]
        return [os.fsdecode(word) for word in words]

    def _opening(self, cmd: str) -> dict[str, Any]:
        """What to run for a kept interpreter like the one in `cmd`, which runs a module;
        what makes it that one.
        """
        if getattr(self._shell, "SHELL_FAMILY", None) != "sh":
            raise Unfit("the host's shell is not like sh")
        match _split(cmd):
            case [shell, "-c", script]:
                variables, interpreter = _taken_apart(self._inside_become(script))
            case _:
                raise Unfit("the command is not as expected")
        searched = () if "/" in interpreter else ("PATH",)
        startup = {
            name: value
            for name, value in variables.items()
            if STARTUP.fullmatch(name) or name in searched
        }
        exported = shlex.join(
            f"{name}={value}" for name, value in {**startup, "PLAYRAIL_RUN": PLACEHOLDER}.items()
        )
        start = f"export {exported}; exec {shlex.join([interpreter, '-c', START])}"
        identity = [shell, interpreter, startup]
        prompt = password = None
        if self._is_become(script):
            # It remembers what it built last, and the stock way must find that
            become = copy.copy(self.become)
            start = become.build_become_command(start, self._shell)
            prompt = become.prompt or None
            password = (
                become.get_option("become_pass", playcontext=self._play_context) if prompt else None
            )
            password = None if password is None else to_text(password)  # it may be a number
            identity.append(
                [become.get_option(name) for name in ("become_user", "become_exe", "become_flags")]
            )
            before = script.partition(self.become.success)[0]
            identity.append(before.replace(identity_of(self.become), ""))
        return {
            "identity": identity,
            "env": {name: value for name, value in variables.items() if name not in startup},
            "opening": {
                "command": shlex.join([shell, "-c", f"echo {BEGUN} >&2; {start}"]),
                "prompt": prompt,
                "password": password,
                "connect_s": float(self.get_option("timeout")),
            },
        }

    def _is_become(self, script: str) -> bool:
        return (
            self.become is not None and bool(self.become.success) and self.become.success in script
        )

    def _inside_become(self, script: str) -> str:
        """The module's own command, without sudo around it."""
        if not self._is_become(script):
            return script.removesuffix(RACE_GUARD)
        if self.become.name != "sudo":
            raise Unfit(f"users are changed by {self.become.name}")
        words = _split(script.removesuffix(RACE_GUARD))
        before = f"echo {self.become.success} ; "
        if not words[-1].startswith(before):
            raise Unfit("the command of sudo is not as expected")
        return words[-1].removeprefix(before)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise Unfit("the command cannot be taken apart") from None


def _taken_apart(command: str) -> tuple[dict[str, str], str]:
    """The variables and the interpreter of `NAME=value … interpreter`."""
    variables = {}
    words = _split(command)
    while words and (found := ASSIGNMENT.fullmatch(words[0])):
        variables[found[1]] = found[2]
        del words[0]
    if len(words) != 1 or " " in words[0]:
        raise Unfit("the interpreter's command is not as expected")
    return variables, words[0]


def ask(place: str, order: Mapping[str, object], payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The broker's answer. Raises Unfit when the module cannot have been sent, EOFError
    when it may have.
    """
    sent = False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(place)
            connection.sendall(frame(dict(order), payload))
            while True:
                told, data = _read(connection)
                if told["is"] != "sent":
                    return told, data
                sent = True
    except OSError as error:
        if sent:
            raise EOFError from error
        raise Unfit(f"what keeps the connections does not answer: {error}") from None


def _read(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    header, data = SIZES.unpack(_receive(connection, SIZES.size))
    return json.loads(_receive(connection, header)), _receive(connection, data)


def _receive(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        data = connection.recv(length - len(received))
        if not data:
            raise ConnectionResetError("it has ended")
        received += data
    return bytes(received)
