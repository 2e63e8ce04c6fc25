"""How execute_command splits a command line, and what it refuses: tests/cases/commands.yml, and a
real shell as the judge.
"""

from __future__ import annotations

import contextlib
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from playrail.tools.tool import Risk, variables
from playrail.toolsets.commands.tools import (
    Command,
    CommandOnMany,
    CommandResult,
    execute_command,
    execute_on_multiple,
)
from playrail.toolsets.commands.words import words
from worlds.checkout import CASE_FILES
from worlds.growth import TIMES, lines_run

CASES: list[dict[str, Any]] = yaml.safe_load(
    (CASE_FILES / "commands.yml").read_text(encoding="utf-8")
)
REFUSED = [case for case in CASES if "refused" in case]
SCRIPTS = [case for case in CASES if case.get("shell") and "refused" not in case]
ACCEPTED = [case for case in CASES if "argv" in case and not case.get("shell")]

# No letter of this could name a program or an option, should a shell ever take a part of it
# for a command.
MARKS = " \t\n'\"\\|&;<>()$`*?[]{}~#=!-/.,:%@^+_ż1Z"


def _by_shell(text: str, directory: Path) -> list[str]:
    """What a POSIX shell makes of `text`; it finds no program to run but printf, which is
    its own.
    """
    done = subprocess.run(  # the words are data to printf
        ["/bin/sh", "-c", f"printf '%s\\000' {text}"],
        cwd=directory,
        env={"PATH": "/nonexistent", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
        timeout=10,
    )
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case["cmd"])
def test_accepted(case: dict[str, Any], tmp_path: Path) -> None:
    given_command = Command(cmd=case["cmd"])

    assert given_command.argv == case["argv"]
    assert variables(given_command)["playrail_argv"] == case["argv"]
    assert _by_shell(case["cmd"], tmp_path) == case["argv"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["cmd"])
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Command(cmd=case["cmd"], shell=case.get("shell", False))
    assert case["refused"] in refusal.value.errors(include_url=False)[0]["msg"]


@pytest.mark.parametrize("case", SCRIPTS, ids=lambda case: case["cmd"])
def test_a_script_arrives_as_it_is(case: dict[str, Any]) -> None:
    asked = Command(cmd=case["cmd"], shell=True)

    assert variables(asked)["playrail_argv"] == case.get("argv", ["/bin/sh", "-c", case["cmd"]])
    assert execute_command.risk_of(asked) is Risk.SHELL


def test_every_case_is_of_one_kind() -> None:
    assert len(CASES) == len(ACCEPTED) + len(SCRIPTS) + len(REFUSED)


@pytest.mark.parametrize("text", ["-e echo a", "+x"])
def test_a_script_is_no_option(text: str) -> None:
    ran = subprocess.run(
        Command(cmd=text, shell=True).argv, capture_output=True, text=True, check=False, timeout=10
    )
    assert "not found" in ran.stderr


@pytest.mark.parametrize(
    "cmd",
    [
        "sh -c 'df -h | sort'",
        "bash -lc id",
        "bash",
        "env A=1 sh -c id",
        "sudo -n bash -c id",
        "busybox sh -c id",
        "nohup timeout 5 sh -c id",
        "find /srv -exec sh -c id ';'",
        "xargs -a /srv/x sh -c id",
        "su -c id",
        "su - postgres -c 'psql -l'",
        "runuser -u postgres -c id",
        "ssh root@192.0.2.1 id",
        "docker exec web sh -c id",
        "kubectl exec web -- bash -c id",
        "nsenter -t 1 -m sh -c id",
        "chroot /mnt /bin/sh -c id",
        "systemd-run --pty bash -c id",
        "pkexec sh -c id",
        "run0 sh -c id",
        "doas sh -c id",
        "setpriv --reuid=1 sh -c id",
        "watch 'df -h'",
        "python3 -c 'print(1)'",
        "python3.11 -Ic 'print(1)'",
        "perl -e 'print 1'",
        "perl -ne 'print' /etc/hosts",
        "ruby -e 'puts 1'",
        "node --eval '1'",
        "php -r 'echo 1;'",
        "awk 'BEGIN { system(\"id\") }'",
    ],
)
def test_code_for_a_shell_or_an_interpreter_is_of_the_greatest_risk(cmd: str) -> None:
    assert execute_command.risk_of(Command(cmd=cmd)) is Risk.SHELL


@pytest.mark.parametrize(
    "cmd",
    [
        "df -h",
        "sudo systemctl status x",
        "python3 /srv/x.py",
        "sh /srv/x.sh",
        "bash --version",
        "awk '{ print $1 }' /x",
        "grep -c bash /etc/passwd",
        "docker exec web ls",
        "ssh -V",
        "su --version",
        "perl -v",
        "env",
        "ls -c /bin/sh",
    ],
)
def test_a_program_is_not(cmd: str) -> None:
    assert execute_command.risk_of(Command(cmd=cmd)) < Risk.SHELL


def test_several_servers_have_to_be_named() -> None:
    given_command = CommandOnMany(cmd="touch /srv/x", server=["web1", "db1"])

    assert execute_on_multiple.risk_of(given_command) is Risk.DANGEROUS
    assert variables(given_command) == variables(Command(cmd="touch /srv/x"))
    with pytest.raises(ValidationError, match="server"):
        CommandOnMany.model_validate({"cmd": "uptime"})
    with pytest.raises(ValidationError, match="delete the system"):
        CommandOnMany(cmd="rm -rf /", server="all")


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=MARKS, min_size=1, max_size=12))
def test_a_shell_would_make_the_same_words(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        split = words(text)
    except ValueError:
        return
    assert _by_shell(text.strip(" \t\n"), tmp_path_factory.getbasetemp()) == split


@given(
    argument=st.text(
        alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50
    )
)
def test_quoted_text_arrives_as_it_is(argument: str) -> None:
    quoted = "'" + argument.replace("'", "'\\''") + "'"
    assert Command(cmd=f"printf {quoted}").argv == ["printf", argument]


SHORT = 20  # characters of a beginning that stays as it is in a shorter line
LONG = 10_000  # characters, the most that a command line may have
SLACK, A_FEW = 1.5, 1_000  # lines of Python; the square would be four times as many again
LONG_CASES = {
    "wrappers": ("", "env ", ""),
    "wrapped programs": ("env ", "rm -r ", ""),
    "nested searches": ("", "find / -exec ", ""),
    "wrapped searches": ("env ", "find / -delete -name ", ""),
    "many ends of options": ("env ", "rm -- ", ""),
    "wrapped shells": ("sudo ", "sh ", ""),
    "wrappers in a script": ("sh -c '", "env ", "'"),
    "shells in a script": ("sh -c '", "env sh ", "'"),
    "parts of a script": ("sudo sh -c '", ";", "'"),
    "brackets": ("", "( ", ""),
    "brackets in a script": ("sh -c '", "( ", "'"),
    "a long word in a script": ("sh -c '", "a", "'"),
    "functions": ("sh -c '", "a(", "'"),
    "functions with bodies": ("sh -c '", "(){a|a&", "'"),
    "blanks in a script": ("sh -c '(){", " ", "'"),
    "nested quotes": ("", "'\"'\"", ""),
    "quotes in quotes": ("'", '"', "'"),
    "shells in quotes": ("sh -c '", 'sh -c "', "'"),
    "empty quotes": ("echo ", "''", ""),
    "backslashes": ("", "\\\\", ""),
    "open brackets": ("echo ", "[", ""),
    "open braces": ("echo ", "{,", ""),
    "an open brace": ("echo {", ",", ""),
    "dollars": ("echo ", "$ ", ""),
    "parents": ("rm -r ", "../", "x"),
    "relative paths": ("rm -r ", "'*' ", ""),
    "directories": ("", "cd x;", ""),
    "documents": ("", "<<E ", "\n"),
    "documents without an end": ("", "cat <<E\n", ""),
    "nested documents": ("", "sh <<E\n", ""),
    "documents for a shell": ("", "sh <<E\nE\n", ""),
    "a long line of documents": ("sh " + "<<E " * 1000, "\nE", ""),
    "substitutions": ("", "$(", ""),
    "quoted substitutions": ("", '"$(" ', ""),
    "sayings": ("", "echo a|sh;", ""),
    "comments": ("", "# '\n", ""),
    "redirections": ("", "> /dev/x ", ""),
}


@pytest.mark.parametrize("shell", [False, True], ids=["words", "script"])
@pytest.mark.parametrize(("head", "middle", "tail"), LONG_CASES.values(), ids=LONG_CASES.keys())
def test_a_long_command_line_is_judged_quickly(
    head: str, middle: str, tail: str, *, shell: bool
) -> None:
    def judge(length: int) -> None:
        begins = head[: max(SHORT, len(head) * length // LONG)]
        text = begins + middle * ((length - len(begins) - len(tail)) // len(middle)) + tail
        with contextlib.suppress(ValidationError):
            Command(cmd=text, chdir="/srv", shell=shell)

    short = lines_run(partial(judge, LONG // TIMES))
    assert lines_run(partial(judge, LONG)) <= TIMES * short * SLACK + A_FEW


def test_a_disaster_at_the_end_of_a_long_command_line() -> None:
    with pytest.raises(ValidationError, match="delete the system"):
        Command(cmd="env " * 2000 + "rm -rf /")
    with pytest.raises(ValidationError, match="process table"):
        Command(cmd=f"sh -c '{'a' * 9000}() {{ {'true; ' * 50} }}; b () {{ b | b & }}; b'")


def test_a_disaster_in_deeply_nested_documents() -> None:
    begins = "".join(f"sh <<E{number}\n" for number in range(700))
    ends = "".join(f"E{number}\n" for number in reversed(range(700)))

    assert Command(cmd=f"{begins}true\n", shell=True)
    with pytest.raises(ValidationError, match="delete the system"):
        Command(cmd=f"{begins}rm -rf /\n", shell=True)
    with pytest.raises(ValidationError, match="delete the system"):
        Command(cmd=f"{begins[:3000]}rm -rf /\n{ends[-3000:]}", shell=True)


def result(asked: Command, **told: Any) -> CommandResult:
    raw: dict[str, Any] = {
        "exit_code": None,
        "signal": None,
        "timed_out": False,
        "left_running": False,
        "ran": True,
        "stdout": "",
        "stderr": "",
        "stdout_bytes": 0,
        "stderr_bytes": 0,
        "duration_s": 3.5,
    }
    return CommandResult.model_validate({**raw, **told}, context={"given": asked})


BASHISMS = (
    "source /dev/null",
    "[[ -n x ]]",
    "a=(1 2)",
    "cat <<<x",
    "echo ${x^^}",
    "set -o pipefail",
    "[ a == b ]",
    "diff <(true) <(true)",
    "function f { true; }; f",
    "shopt -s nullglob",
)


@pytest.mark.skipif(Path("/bin/sh").resolve().name != "dash", reason="/bin/sh knows more here")
@pytest.mark.parametrize("script", BASHISMS)
def test_a_script_for_bash_is_told_how_to_have_it(script: str) -> None:
    """What the shell itself says is the judge."""
    asked = Command(cmd=script, shell=True)
    ran = subprocess.run(asked.argv, capture_output=True, text=True, check=False, timeout=10)
    problem = result(asked, exit_code=ran.returncode, stderr=ran.stderr).problem()

    assert problem is not None
    assert problem.code == "command_failed"
    assert "bash -c" in problem.hint


def test_a_program_that_is_not_there_is_told_of_a_script() -> None:
    problem = result(
        Command(cmd="nosuch x", shell=True), exit_code=127, stderr="/bin/sh: 1: nosuch: not found"
    ).problem()

    assert problem is not None
    assert "bash" not in problem.hint
    assert "not found" in problem.hint


def test_a_long_script_is_not_repeated() -> None:
    script = "true; " * 1000
    assert len(result(Command(cmd=script, shell=True), exit_code=0).argv[2]) < 1100


def test_background_work_is_no_failure() -> None:
    left = [{"pid": 71, "name": "sleep"}]
    report = result(
        Command(cmd="nohup sleep 9 &", shell=True), exit_code=0, left_running=True, left=left
    )
    assert report.problem() is None
    assert report.model_dump()["left"] == left


def test_what_could_not_be_ended_is_named() -> None:
    left = [{"pid": 71, "name": "sleep"}]
    problem = result(
        Command(cmd="sudo sleep 9"), timed_out=True, left_running=True, left=left
    ).problem()
    assert problem is not None
    assert "sleep (71)" in problem.hint


@pytest.mark.parametrize("left_running", [None, False, True])
def test_a_program_that_could_not_be_ended_is_not_said_to_be(left_running: bool | None) -> None:
    problem = result(
        Command(cmd="sudo sleep 9"), timed_out=True, left_running=left_running
    ).problem()

    assert problem is not None
    assert problem.code == "command_timed_out"
    assert ("may still be running" in problem.error) is bool(left_running)
    assert ("was ended" in problem.error) is not left_running
    assert ("as far as it was found" in problem.error) is (left_running is None)
    assert ("is done" in problem.hint) is not left_running


def test_a_relative_path_is_seen_from_chdir() -> None:
    assert Command(cmd="rm -rf tmp/x", chdir="/srv/app").argv[0] == "rm"
    with pytest.raises(ValidationError, match="delete the system"):
        Command(cmd="rm -rf etc", chdir="/")


def test_a_refusal_does_not_repeat_the_text() -> None:
    with pytest.raises(ValidationError) as refusal:
        Command(cmd="login --password=hunter2 | cat")
    assert "hunter2" not in str(refusal.value)


def test_the_schema_has_no_argv() -> None:
    assert sorted(Command.model_json_schema()["properties"]) == [
        *("chdir", "cmd", "max_bytes", "preview", "server", "shell", "timeout_s")
    ]


@pytest.mark.parametrize("shell", [False, True])
def test_a_key_in_a_command_is_refused(shell: bool) -> None:
    key = (
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIExCV3+fZGyeSRwST\n-----END PRIVATE "
        "KEY-----\n"
    )
    with pytest.raises(ValidationError, match="write_file and secret=true"):
        Command(cmd=f"printf '%s' '{key}'", shell=shell)
