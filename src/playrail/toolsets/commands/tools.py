"""Any program, without a shell, or a script for one.

Without a shell the caller's text is split into words as a POSIX shell would split it. What
a shell would not take as plain text (pipes, redirections, variables, patterns ..) is
refused rather than passed on as a word, where it would mean something else. With `shell`
the text is handed to /bin/sh as it is. Some well-known disasters are refused either way
(disasters.py). Whoever may call these tools may do anything.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from functools import cached_property
from signal import Signals
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    computed_field,
    field_validator,
    model_validator,
)

from playrail.codes import work
from playrail.errors import Problem
from playrail.safe_text.key_material import key_in
from playrail.tools.brief import Brief
from playrail.tools.fields import AbsolutePath, CommandLine
from playrail.tools.reading import Reading
from playrail.tools.tool import Changing, PlaybookTool, Report, Risk, ServerName, by_field
from playrail.toolsets.commands.disasters import disaster
from playrail.toolsets.commands.looks import Look, Looks, looks_of
from playrail.toolsets.commands.programs import runs_a_script
from playrail.toolsets.commands.words import script, words


def _argv(text: str, *, shell: bool) -> list[str]:
    return script(text) if shell else words(text)


class Command(Changing, Reading):
    _looks: Looks = PrivateAttr(default_factory=lambda: looks_of(None))

    shell: bool = Field(
        default=False,
        description="Let /bin/sh run it: for pipes, variables, patterns.",
        examples=[False],
    )
    cmd: CommandLine = Field(
        description="A program with arguments, quoted as for a shell; or a script.",
        examples=["df -h /", "grep -n 'max connections' /etc/app.conf"],
    )
    chdir: AbsolutePath | None = Field(
        default=None,
        description="The directory; omitted: the home.",
        examples=["/srv/app"],
    )
    timeout_s: int = Field(
        default=60,
        ge=1,
        le=600,
        description="Seconds until it is ended.",
        examples=[60],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _with_the_operators_looks(
        cls, told: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        found = read(told)
        if looks_file := (info.context or {}).get("looks_file"):
            found._looks = looks_of(looks_file)  # noqa: SLF001  its own
        return found

    @field_validator("cmd")
    @classmethod
    def _can_be_run(cls, cmd: str, info: ValidationInfo) -> str:
        if "shell" in info.data:  # it comes before cmd, for this
            _argv(cmd, shell=info.data["shell"])
        return cmd

    @model_validator(mode="after")
    def _is_no_disaster(self) -> Command:
        found = disaster(self.argv, self.chdir or "/root")
        if found is not None:
            raise ValueError(f"cmd is refused: {found}")
        return self

    @model_validator(mode="after")
    def _holds_no_key(self) -> Command:
        """An approver has to see a command whole, and everybody on the host sees its
        processes.
        """
        found = key_in(self.cmd.encode())
        if found is not None:
            raise ValueError(
                f"cmd holds {found}, which the host's list of processes and the record would show: "
                "put it in a file with write_file and secret=true, and name the file in cmd"
            )
        return self

    @computed_field
    @cached_property
    def argv(self) -> list[str]:
        """What is run; the playbook's `playrail_argv`."""
        return _argv(self.cmd, shell=self.shell)

    @cached_property
    def _look(self) -> Look | None:
        return None if self.shell or self.chdir is not None else self._looks.look(self.argv)

    @property
    def only_looks(self) -> bool:
        """Whether it is a command line that is known to change nothing (looking/kinds.yml)."""
        return self._look is not None

    @computed_field
    @property
    def look(self) -> dict[str, Any] | None:
        """What is run when it only looks; the playbook's `playrail_look`."""
        return None if self._look is None else asdict(self._look)

    def recorded(self) -> dict[str, Any]:
        told = super().recorded()
        del told["look"]  # it follows from the others
        return told

    @cached_property
    def script(self) -> bool:
        """Whether a shell or another interpreter is given code: with `shell`, or as a
        program (`sh -c`, `perl -e`).
        """
        return self.shell or runs_a_script(self.argv)


class CommandOnMany(Command):
    server: ServerName | Annotated[list[ServerName], Field(min_length=1, max_length=500)] = Field(
        description="A list of servers, a group's name, or tag:NAME.",
        examples=[["web1", "db1"], "tag:web"],
    )


class LeftProcess(Report):
    pid: int
    name: str


class CommandResult(Brief, Report):
    argv: list[str] = Field(description="What was run; long words are cut.")
    exit_code: int | None = Field(
        description="Exit status; null when a signal or the time limit ended it."
    )
    signal: str | None = Field(description="The signal that ended it, such as SIGKILL.")
    timed_out: bool = Field(default=False, description="Whether its time was over before it ended.")
    left_running: bool | None = Field(
        description=(
            "Whether it, or what it started, runs on; null: none was found, all cannot be "
            "seen. Never told: "
            "what it had systemd, Docker or cron start."
        )
    )
    left: list[LeftProcess] | None = Field(default=None, description="What runs on, at most 20.")
    stdout: str = Field(
        description=(
            "What it wrote; where max_bytes leave no room its first and last part, with a told gap."
        )
    )
    stderr: str = Field(default="", description="What it wrote as errors, likewise.")
    stdout_bytes: int = Field(description="How many bytes it wrote.")
    stderr_bytes: int = Field(default=0, description="How many bytes it wrote as errors.")
    duration_s: float | None = Field(
        description="How long it ran, or was waited for when it is left running."
    )
    truncated: bool = Field(default=False, description="Whether a part of its output was left out.")
    ran: bool = Field(exclude=True)
    script: str | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _of_run(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict) or "ran" not in raw:
            raise ValueError("is no result of run_program")
        number = raw["signal"]
        given: Command = (info.context or {})["given"]
        return {
            **raw,
            "argv": [shortened_word(word) for word in given.argv],
            "script": given.cmd if given.shell else None,
            "signal": None if number is None else _signal_name(number),
            "left": raw.get("left") or None,
        }

    def problem(self) -> Problem | None:
        if not self.ran or (self.exit_code == 0 and not self.timed_out):
            return None
        if self.timed_out:
            return self._timed_out()
        how = f"exit code {self.exit_code}" if self.signal is None else f"signal {self.signal}"
        return Problem.of(
            work.COMMAND_FAILED,
            f"{self.argv[0]} ended with {how}.",
            hint=work.COMMAND_FAILED.hint + self._of_another_shell(),
        )

    def _of_another_shell(self) -> str:
        """What to do when /bin/sh did not know what stands in the script."""
        if self.script is not None and OTHER_SHELLS.search(self.stderr):
            return (
                " /bin/sh ran the script, which has no [[ ]], source, arrays, <<<, {1..3} and "
                "the like. If it is meant "
                "for bash, set cmd to bash -c '...', with shell=false."
            )
        if self.exit_code == NOT_FOUND:
            return f" Exit code {NOT_FOUND} mostly means that a program was not found."
        return ""

    def _timed_out(self) -> Problem:
        if self.left_running:
            ending = f"could not be ended; it may still be running after {self.duration_s:g} s"
            named = ", ".join(f"{one.name} ({one.pid})" for one in self.left or ())
            hint = (
                f"Look on the server whether {named or 'it'} still runs before you call again. "
                "Most likely it runs as "
                "another user (sudo, su), whose processes the login user may not end."
            )
        else:
            found = "" if self.left_running is False else ", as far as it was found,"
            ending = f"was ended{found} after {self.duration_s:g} s"
            hint = (
                "What it did until then is done, and what it had systemd, Docker or cron start "
                "goes on. "
                "Choose a greater timeout_s only if it needs more time."
            )
        error = f"{self.argv[0]} did not end within its time and {ending}."
        return Problem.of(work.COMMAND_TIMED_OUT, error, hint=hint)


def shortened_word(word: str) -> str:
    """The caller knows what was asked for; of a long script the beginning tells which it
    was.
    """
    return (
        word
        if len(word) <= LONGEST_WORD
        else f"{word[:LONGEST_WORD]}[... {len(word) - LONGEST_WORD} more]"
    )


UNFORESEEABLE = "What a program does is known only when it runs."
LONGEST_WORD = 1000  # characters
NOT_FOUND = 127
# What dash and busybox, which translate nothing, say of words that only bash and its kin
# know.
OTHER_SHELLS = re.compile(
    r"[Ss]yntax error|[Bb]ad substitution|[Ii]llegal option|unexpected operator|unknown operand"
    r"|bad trap"
    r"|(?:\[\[|\b(?:source|declare|typeset|shopt|pushd|popd|let|mapfile|readarray|function"
    r"|select|disown)): not found"
)


def _signal_name(number: int) -> str:
    return Signals(number).name if number in list(Signals) else f"signal {number}"


RISK = by_field(
    "shell",
    {False: Risk.DANGEROUS},
    otherwise=Risk.SHELL,
    meant="script",
    looking=Risk.SENSITIVE,
)

execute_command = PlaybookTool(
    name="execute_command",
    summary=(
        "Run a command such as uptime on all servers, where no other tool does it; those that "
        "only look (df, ss) run always."
    ),
    risk=RISK,
    input=Command,
    playbook="commands/execute_command.yml",
    report=CommandResult,
    unforeseeable=UNFORESEEABLE,
)

execute_on_multiple = PlaybookTool(
    name="execute_on_multiple",
    same_as="execute_command",
    summary=(
        "Run a command on several servers, as execute_command does; `server` has to be given."
    ),
    risk=RISK,
    input=CommandOnMany,
    playbook="commands/execute_command.yml",
    report=CommandResult,
    unforeseeable=UNFORESEEABLE,
)
