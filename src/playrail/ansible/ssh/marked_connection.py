"""The part of the ssh connection that knows whether a command was begun, see
marked_commands.py.

It stands between the stock plugin and ours, plugins/connection/ssh.py. Below it a command
is run once; what it returns with ssh's own status was not begun, and whoever is above may
have it run again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_text

from playrail.ansible.ssh.lines import LATE_LOGIN
from playrail.ansible.ssh.marked_commands import (
    NO_PASSWORD,
    NOT_BECOME,
    NOT_BEGUN,
    SSH_FAILED,
    Mark,
    can_be_marked,
    end_of,
    result_of_module,
)
from playrail.ansible.ssh.reasons import lacks_reason
from playrail.settings.private_keys import has_agent, key_problem

# Stands in every payload that is a Python module with its archive
MODULE = b"_ANSIBALLZ_WRAPPER = True"
MODULE_FILE = "/AnsiballZ_"  # and in the command for one that was transferred as a file
DENIED = re.compile(r"Permission denied \(")  # with the ways to log in, in brackets


# The old connection had ended before anything was sent, and Ansible makes a new one.
OLD_ENDED = "AnsibleControlPersistBrokenPipeError"
LINE_END = rb"[ \t\r]*\n"


def ends_line(word: bytes, text: bytes) -> bool:
    """Whether the word stands at the end of a line. sudo repeats the whole command that it
    does not allow.
    """
    return re.search(re.escape(word) + LINE_END, text) is not None


def elsewhere(word: bytes, other: bytes, text: bytes) -> bytes:
    """The text with another word where this one does not stand at the end of a line."""
    return re.sub(re.escape(word) + rb"(?!" + LINE_END + rb")", other, text)


# The stock plugin's class comes after this one among the bases: which it is, the plugin's
# loader decides.
_Stock: Any = object


class Marked(_Stock):
    """See the module's docstring."""

    _mark: Mark | None = None
    _awaited = ""  # what is printed when the other user was become
    _became = False
    _failure: AnsibleError | None = None

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a command; what the login wrote before it is no part of what is returned."""
        fits = can_be_marked(cmd) and getattr(self._shell, "SHELL_FAMILY", None) == "sh"
        self._mark = Mark() if fits else None
        self._became, self._failure = False, None
        awaited = self.become.success if sudoable and self.become is not None else ""
        self._awaited = awaited if awaited and awaited in cmd else ""
        try:
            status, stdout, stderr = super().exec_command(
                self._mark.before(cmd) if self._mark else cmd, in_data=in_data, sudoable=sudoable
            )
        except AnsibleConnectionFailure as failure:
            raise AnsibleConnectionFailure(self._with_key(str(failure))) from None
        finally:
            self._mark = None
        if self._failure is not None:
            raise self._failure
        is_module = MODULE in in_data if in_data else MODULE_FILE in cmd
        return status, result_of_module(stdout) if fits and is_module else stdout, stderr

    def _bare_run(
        self, cmd: list[bytes], in_data: bytes | None, sudoable: bool = True, checkrc: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run ssh once; what must not be run again is kept for exec_command, which raises
        it.
        """
        if self._mark is None:  # a file is transferred, or a router is told something
            plain: tuple[int, bytes, bytes] = super()._bare_run(
                cmd, in_data, sudoable=sudoable, checkrc=checkrc
            )
            return plain
        try:
            told = super()._bare_run(cmd, in_data, sudoable=sudoable, checkrc=False)
            if self._mark.after(told[1]) is None and lacks_reason(
                to_text(told[2], errors="replace")
            ):
                told = super()._bare_run(
                    self._unshared(cmd), in_data, sudoable=sudoable, checkrc=False
                )
        except AnsibleConnectionFailure as failure:
            return self._waited(str(failure))
        except AnsibleError as failure:
            if type(failure).__name__ == OLD_ENDED:
                raise
            return self._keep(failure)  # a password that is wrong is wrong the next time as well
        if cmd[0] == b"sshpass" and self._mark.after(told[1]) is None:
            status, stdout, stderr = told
            return status, stdout, stderr
        return self._judged(*told)

    def _judged(self, status: int, stdout: bytes, stderr: bytes) -> tuple[int, bytes, bytes]:
        assert self._mark is not None  # see _bare_run
        ended = end_of(self._mark, status, stdout, stderr)
        if ended.failure:
            return (
                (status, b"", stderr)
                if ended.again
                else self._keep(AnsibleConnectionFailure(ended.failure))
            )
        if self._awaited and not self._became and not ends_line(self._awaited.encode(), ended.own):
            return self._keep(
                self._not_become(status, to_text(ended.own + b"\n" + stderr, errors="replace"))
            )
        return status, ended.own, stderr

    def _unshared(self, cmd: list[bytes]) -> list[bytes]:
        """The same command by a connection of its own: a shared one hides what a machine on
        the way says.
        """
        first = cmd.index(os.fsencode(self.get_option("ssh_executable"))) + 1
        return [*cmd[:first], b"-o", b"ControlPath=none", *cmd[first:]]

    def _examine_output(
        self, source: str, state: str, b_chunk: bytes, sudoable: bool
    ) -> tuple[bytes, bytes]:
        before = dict(self._flags)
        word = self._awaited.encode()
        other = word.lower()
        shown = elsewhere(word, other, b_chunk) if word else b_chunk
        examined: tuple[bytes, bytes] = super()._examine_output(source, state, shown, sudoable)
        if word:
            examined = examined[0].replace(other, word), examined[1].replace(other, word)
        if self.become is not None and self.become.name == "sudo" and self.become.expect_prompt():
            # sudo-rs writes words of its own in front of the prompt; there is a random word
            # in it.
            prompt = self.become.prompt.strip().encode()
            if prompt in examined[1] and not before["become_prompt"]:
                self._flags["become_prompt"] = True
                examined = examined[0], b""
        self._became = self._became or bool(self._flags["become_success"])
        return examined

    def _keep(self, failure: AnsibleError) -> tuple[int, bytes, bytes]:
        self._failure = failure
        return 0, b"", b""

    def _waited(self, text: str) -> tuple[int, bytes, bytes]:
        """What waited in vain for the prompt of sudo: that program itself, or there was no
        login yet.
        """
        if not text.startswith("Timeout "):
            return self._keep(AnsibleConnectionFailure(text))
        waited = text.partition(" waiting ")[0]
        if self._mark is None or self._mark.after(text.encode()) is None:
            return SSH_FAILED, b"", f"{waited}: {LATE_LOGIN}".encode()
        return self._keep(
            AnsibleError(
                f"{self.become.name} {NOT_BECOME}: {waited}, and it asked for nothing that is known"
            )
        )

    def _not_become(self, status: int, text: str) -> AnsibleError:
        password = self.become.get_option("become_pass", playcontext=self._play_context)
        lacking = "" if password else f", {NO_PASSWORD}"
        return AnsibleError(
            f"{self.become.name} {NOT_BECOME} (exit status {status}{lacking}): {text.strip()}"
        )

    def _with_key(self, text: str) -> str:
        """What ssh said of a refused login, and what it does not say: that the key has a
        passphrase, say.
        """
        key = self.get_option("private_key_file")
        if not key or not DENIED.search(text) or "Load key" in text or NOT_BEGUN not in text:
            return text
        try:
            problem = key_problem(Path(key).expanduser(), agent=has_agent(os.environ))
        except OSError:
            return text
        before, said, after = text.partition(NOT_BEGUN)
        return f'{before}{said}Load key "{key}": {problem}\n{after}' if problem else text
