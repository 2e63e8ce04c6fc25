"""Arguments as models send them are read as what can only be meant, and never otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError

from playrail import catalog
from playrail.tools.arguments import OnlyText, Rare, as_meant, marked
from playrail.tools.schemas import input_schema, listed_input_schema
from playrail.tools.tool import OnHosts, ToolInput


class Part(BaseModel):
    number: int = 1


class Asked(ToolInput):
    text: str = ""
    number: int = 1
    share: float = 1.0
    flag: bool = False
    texts: list[str] = Field(default=[])
    numbers: list[Annotated[int, Field(ge=1)]] = Field(default=[])
    either: str | list[str] | None = None
    word: Literal["a", "b"] = "a"
    maybe: int | None = None
    mode: Annotated[str, OnlyText()] = ""
    secret: SecretStr | None = None
    part: Part | None = None
    parts: list[Part] = Field(default=[])


@pytest.mark.parametrize(
    ("name", "sent", "meant"),
    [
        ("number", "5", 5),
        ("number", "-5", -5),
        ("number", 5.0, 5),
        ("number", 1e2, 100),
        ("number", "5.0", 5),
        ("number", "1e2", 100),
        ("maybe", "5", 5),
        ("share", "0.5", 0.5),
        ("share", 2, 2.0),
        ("flag", "true", True),
        ("flag", "False", False),
        ("flag", "false", False),
        ("text", 244, "244"),
        ("text", -1, "-1"),
        ("secret", 1234, "1234"),
        ("texts", '["a", "b"]', ["a", "b"]),
        ("texts", "[]", []),
        ("texts", "a", ["a"]),
        ("texts", ["a", 5], ["a", "5"]),
        ("texts", '["a", 5]', ["a", "5"]),
        ("numbers", "[1, 2]", [1, 2]),
        ("numbers", ["1", 2.0], [1, 2]),
        ("numbers", 5, [5]),
        ("numbers", "5", [5]),
        ("either", '["a", "b"]', ["a", "b"]),
        ("either", 5, "5"),
        ("part", '{"number": "5"}', {"number": 5}),
        ("part", {"number": 5.0}, {"number": 5}),
        ("parts", {"number": "5"}, [{"number": 5}]),
        ("parts", '[{"number": 5}]', [{"number": 5}]),
    ],
)
def test_what_can_only_be_meant_so(name: str, sent: Any, meant: Any) -> None:
    (found,) = as_meant(Asked, {name: sent}).values()

    assert (found, type(found)) == (meant, type(meant))
    assert as_meant(Asked, {name: found}) == {name: found}, "it is the same the second time"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        *(
            ("number", sent)
            for sent in [
                "5.5",
                5.5,
                "05",
                "01",
                " 5",
                "5 ",
                "+5",
                "5,0",
                "0x5",
                "\u0665",
                "",
                "five",
                "1e-1",
            ]
        ),
        *(
            ("number", sent)
            for sent in [
                True,
                "true",
                None,
                [5],
                "[5]",
                2.0**53,
                "9007199254740993.0",
                "1e99",
                "null",
            ]
        ),
        *(
            ("flag", sent)
            for sent in ["yes", "no", "1", "0", 1, 0, "TRUE", " true", "on", "", None]
        ),
        *(
            ("text", sent)
            for sent in ["5", "01", "true", "[1]", "null", 5.5, 5.0, True, ["a"], {"a": 1}, 2**53]
        ),
        *(
            ("texts", sent)
            for sent in ["a,b", "a b", "a\nb", "a;b", "", "[a]", '["a"', True, 1.5, None, {"a": 1}]
        ),
        *(("numbers", sent) for sent in ["1,2", "1.5", 1.5, "a"]),
        *(("either", sent) for sent in ["a,b", "[a]", "5", "{}", True]),
        *(("word", sent) for sent in [1.5, "A", True]),
        *(("mode", sent) for sent in [644, 420, "644"]),
        *(("part", sent) for sent in ["[1]", "{", 5]),
    ],
)
def test_what_could_be_meant_otherwise_stays_as_it_is(name: str, sent: Any) -> None:
    if sent is None:
        assert as_meant(Asked, {name: sent}) == {}, (
            "to leave out what may be left out is all that null can mean"
        )
        return
    (found,) = as_meant(Asked, {name: sent}).values()
    if sent == "" and name == "texts":
        assert found == [""]
        return
    assert (found, type(found)) == (sent, type(sent))


def test_null_stays_where_it_means_something() -> None:
    class Needed(ToolInput):
        text: str
        cleared: int | None = 5

    assert as_meant(Needed, {"text": None, "cleared": None}) == {"text": None, "cleared": None}


def test_what_the_model_does_not_know_stays() -> None:
    assert as_meant(Asked, {"unknown": "5"}) == {"unknown": "5"}


def test_text_of_many_brackets_stays() -> None:
    text = "[" * 100_000
    assert as_meant(Asked, {"texts": text}) == {"texts": text}


TOOLS = {tool.name: tool for tool in catalog.load().values()}


def properties() -> Iterator[Any]:
    """Each field of each tool, with what its schema says of it."""
    for tool in TOOLS.values():
        for name, schema in input_schema(tool)["properties"].items():
            yield pytest.param(tool.input, name, schema, id=f"{tool.name}.{name}")


def takes(schema: dict[str, Any]) -> set[str]:
    return {one["type"] for one in schema.get("anyOf", [schema]) if "type" in one}


@pytest.mark.parametrize(("model", "name", "schema"), list(properties()))
def test_every_field_of_every_tool(
    model: type[ToolInput], name: str, schema: dict[str, Any]
) -> None:
    def read(sent: Any) -> Any:
        return as_meant(model, {name: sent}).get(name, "left out")

    types = takes(schema)
    if "integer" in types:
        assert [read("7"), read(7.0), read("7.0")] == [7, 7, 7]
        assert [read("7.5"), read("07"), read(" 7"), read(True)] == ["7.5", "07", " 7", True]
    if "boolean" in types:
        assert [read("true"), read("false"), read("yes"), read(1)] == [True, False, "yes", 1]
    if "string" in types:
        assert [read("7"), read("true"), read("null")] == ["7", "true", "null"]
        assert read(7) == (7 if name == "mode" else "7")
        assert read(7.5) == 7.5
    if "array" in types:
        assert read('["a", "b"]') == ["a", "b"]
        assert read("a,b") == "a,b"
    if name not in input_schema(next(tool for tool in TOOLS.values() if tool.input is model)).get(
        "required", []
    ):
        assert read(None) in (None, "left out")


def every(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from every(item)


@pytest.mark.parametrize("name", TOOLS)
def test_no_schema_has_what_gemini_refuses(name: str) -> None:
    """A list of types: every client's tools are refused together when one has it."""
    schema = input_schema(TOOLS[name])

    assert [node for node in every(schema) if isinstance(node.get("type"), list)] == []
    assert "$ref" not in json.dumps(schema)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("web1", "web1"),
        ("tag:web", "tag:web"),
        ("web1,db1", ["web1", "db1"]),
        ("web1, tag:db", ["web1", "tag:db"]),
        (["web1", "db1"], ["web1", "db1"]),
    ],
)
def test_servers_as_they_are_written(written: str | list[str], meant: str | list[str]) -> None:
    assert OnHosts(server=written).server == meant


@pytest.mark.parametrize("written", ["web1,", ",", "web1,,db1"])
def test_a_server_without_a_name_is_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        OnHosts(server=written)


@pytest.mark.parametrize("name", TOOLS)
def test_the_list_leaves_nothing_out_that_a_call_needs(name: str) -> None:
    schema, listed = input_schema(TOOLS[name]), listed_input_schema(TOOLS[name])
    left_out = schema["properties"].keys() - listed["properties"].keys()

    assert left_out == set(marked(TOOLS[name].input, Rare))
    assert left_out.isdisjoint(schema.get("required", ()))
