"""Every stable code is declared once, told on the page of codes, and used."""

from __future__ import annotations

import ast
import copy
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from playrail.ansible.outcome.failures import CODE, classify
from playrail.codes.code import Code
from playrail.codes.every import EVERY, SUBJECTS, named
from worlds.checkout import ROOT

SOURCES = [path for path in (ROOT / "src" / "playrail").rglob("*.py") if "codes" not in path.parts]
# They run on hosts, where they cannot import the codes.
HOST_MODULES = [*(ROOT / "src" / "ansible_collections").rglob("*.py")]
# Exceptions of host modules whose first argument is a code, and tables by error number.
REFUSAL = re.compile(r"\w*(?:Failed|Refused)")
TABLE = "CODES"


def named_in_sources() -> Iterator[str]:
    """The names of the constants that the source reads, such as NOT_FOUND."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(attr=name) | ast.Name(id=name):
                    yield name


def named_by_modules() -> Iterator[str]:
    """The codes that host modules fail with."""
    for path in HOST_MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.keyword(arg="playrail_code", value=value):
                    yield from texts(value)
                case ast.Call(func=ast.Name(id=name), args=[first, *_]) if REFUSAL.fullmatch(name):
                    yield from texts(first)
                case ast.Call(func=ast.Attribute(attr=name), args=[first, *_]) if REFUSAL.fullmatch(
                    name
                ):
                    yield from texts(first)
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                    name == TABLE or name.lower() == "code"
                ):
                    yield from texts(value)


def texts(node: ast.expr) -> Iterator[str]:
    """The texts that may come of an expression, but for those that it only compares."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Dict(values=values):
            for value in values:
                yield from texts(value)
        case ast.IfExp(body=one, orelse=other):
            yield from texts(one)
            yield from texts(other)
        case ast.Call(args=arguments):
            for argument in arguments:
                yield from texts(argument)


def test_the_page_is_made_from_the_codes() -> None:
    command = [sys.executable, str(ROOT / "tests" / "checks" / "codes_page.py"), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_a_code_is_declared_once_by_its_own_name() -> None:
    declared = [
        (name, code)
        for subject in SUBJECTS
        for name, code in vars(subject).items()
        if isinstance(code, Code)
    ]
    assert len(declared) == len(EVERY)
    assert [name for name, code in declared if name != code.upper()] == []


@pytest.mark.parametrize("code", EVERY.values(), ids=str)
def test_a_code_has_its_sentence_and_hint(code: Code) -> None:
    assert CODE.fullmatch(code)
    assert code.meaning.endswith((".", ")"))
    assert code.hint.endswith((".", "'"))


def test_every_code_is_used() -> None:
    used = {*map(str.upper, named_by_modules()), *named_in_sources()}
    assert [code for code in EVERY if code.upper() not in used] == []


def test_host_modules_name_codes_that_are_declared() -> None:
    by_modules = set(named_by_modules())
    assert len(by_modules) > 30
    assert by_modules <= set(EVERY)


def test_no_code_is_written_as_a_text_where_a_problem_is_made() -> None:
    written = [
        f"{path.name}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Problem", "Problem.of", "Trouble", "JobFailed")
        for value in (*node.args[:1], *(each.value for each in node.keywords if each.arg == "code"))
        if isinstance(value, ast.Constant)
    ]
    assert written == []


def test_a_code_of_a_toolset_of_somebody_else_is_passed_on_with_a_careful_hint() -> None:
    problem = classify({"msg": "No job.", "playrail_code": "job_not_found"}, unreachable=False)

    assert (problem.code, problem.error) == ("job_not_found", "No job.")
    assert problem.hint == named("task_failed").hint
    assert not problem.retryable


def test_a_copy_of_a_code_is_the_code() -> None:
    code = named("stale_file")
    again = copy.deepcopy(code)
    assert (again, again.hint, again.retryable) == (code, code.hint, True)
