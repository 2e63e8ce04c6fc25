"""A plugin that nobody here has heard of, installed as a wheel beside Playrail's: its tools are
called, previewed, applied, taken back, looked after and exported as ours are.

The plugin is tests/plugin: a tool that reads, one that changes a kind of its own, a playbook
each, a role, modules in a collection of its own, a setting.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from worlds.checkout import TESTS
from worlds.clean_environment import (
    empty_environment,
    install,
    install_alone,
    packages_of,
    run,
    wheel_of,
    wheel_of_checkout,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# The steps of a conversation with one server, and what came of each, in the environment itself
CONVERSATION = """
import asyncio, json, os, sys
from pathlib import Path
from playrail.calls.caller import Caller
from playrail.door.door import Playrail
from playrail.settings.settings import Settings

async def main(warm, steps):
    settings = Settings.load(os.environ, dotenv=None)
    plan = run = None
    answers = []
    async with Playrail(settings, environ=os.environ, warm=warm) as server:
        if warm:
            await server.warm_up()
        for name, arguments in steps:
            if name == "write":  # by hand
                Path(arguments["path"]).write_text(arguments["text"])
                continue
            if name == "read":
                path = Path(arguments["path"])
                answers.append(path.read_text() if path.exists() else None)
                continue
            more = {"apply_plan": {"plan_id": plan}, "undo_run": {"run_id": run}}.get(name, {})
            caller = Caller(name="ann", way="stdio")
            answer = await server.call(name, {**arguments, **more}, caller=caller)
            run = (answer.runs or (run,))[0]
            told = answer.envelope()
            plan = told.get("data", {}).get("plan", {}).get("plan_id", plan)
            answers.append(told)
    print(json.dumps(answers))

asyncio.run(main(sys.argv[1] == "warm", json.loads(sys.argv[2])))
"""
MODULE = (
    "playrail_motd/content/collections/ansible_collections/motd/host/plugins/modules/set_message.py"
)
POLICY = {"rules": [{"name": "the message of the day", "tools": ["toolset:motd"], "then": "allow"}]}
PREVIEW = ("set_motd", {"text": "Backup at 2:00", "preview": True})
LOOK: tuple[str, dict[str, Any]] = ("read_motd", {})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plugin")


@pytest.fixture(scope="module")
def python(place: Path) -> Path:
    """The Python of an environment with Playrail's wheel and the plugin's."""
    made = empty_environment(place)
    install(made, wheel_of_checkout(made, place))
    shutil.copytree(TESTS / "plugin", place / "source")
    install_alone(made, wheel_of(place / "source", made, place / "wheel"))
    return made


@pytest.fixture(scope="module")
def env(place: Path) -> dict[str, str]:
    """The plugin's setting among the operator's, and its toolset in a policy."""
    policy = place / "policy.yml"
    policy.write_text(yaml.safe_dump(POLICY))
    policy.chmod(0o600)
    return {
        "PLAYRAIL_POLICY": str(policy),
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "PLAYRAIL_STATE_DIR": str(place / "state"),
        "PLAYRAIL_RUNTIME_DIR": str(place / "runtime"),
        "PLAYRAIL_TOOLSETS": "motd",
        "PLAYRAIL_MOTD__FILE": str(place / "host" / "motd"),
        "ENABLE_WRITE_OPERATIONS": "1",
    }


def talk(
    python: Path, env: dict[str, str], way: str, *steps: tuple[str, dict[str, Any]]
) -> list[Any]:
    """The answers to the calls of the steps, and what was read by hand."""
    home = Path(env["HOME"])
    printed = run(python, "-c", CONVERSATION, way, json.dumps(steps), cwd=home, env=env)
    answers: list[Any] = json.loads(printed)
    return answers


def text_of(answer: dict[str, Any]) -> str | None:
    assert answer["success"], answer
    text: str | None = answer["data"]["hosts"]["localhost"].get("text")
    return text


def test_its_toolset_can_be_chosen(python: Path, env: dict[str, str], place: Path) -> None:
    listed = json.loads(run(python.with_name("playrail"), "tools", "--json", cwd=place, env=env))
    names = {tool["name"] for tool in listed}

    assert {"read_motd", "set_motd", "apply_plan", "undo_run"} <= names
    assert "read_file" not in names


@pytest.mark.parametrize("way", ["cold", "warm"])
def test_what_it_changes_is_previewed_applied_looked_after_and_taken_back(
    python: Path, env: dict[str, str], place: Path, way: str
) -> None:
    file = place / "host" / "motd"
    shutil.rmtree(file.parent, ignore_errors=True)
    seen = ("read", {"path": str(file)})
    by_hand = ("write", {"path": str(file), "text": "By hand"})
    mend = ("write", {"path": str(file), "text": "Backup at 2:00"})
    answers = talk(
        python,
        {**env, "PLAYRAIL_STATE_DIR": str(place / way)},
        way,
        *(PREVIEW, seen, ("apply_plan", {}), LOOK, ("check_drift", {})),
        *(by_hand, ("check_drift", {}), mend, ("undo_run", {}), ("apply_plan", {}), seen, LOOK),
    )
    planned, still, applied, after, held, drifted, undone, taken_back, gone, again = answers

    assert [still, text_of(after), gone, text_of(again)] == [None, "Backup at 2:00", None, None]
    plan = planned["data"]["plan"]
    assert plan["changes"]["localhost"][-1]["kind"] == "message"
    assert plan["would_change"] == ["localhost"]
    assert applied["success"], applied
    assert held["data"]["hosts"]["localhost"]["drifted"] == []
    (one,) = drifted["data"]["hosts"]["localhost"]["drifted"]
    assert (one["kind"], one["now"]) == ("message", {"text": "By hand"})
    assert undone["data"]["plan"]["undoes"]
    assert taken_back["success"], taken_back
    ways = {each["_meta"]["way"].partition("+")[0] for each in (after, again)}
    assert ways == ({"cold"} if way == "cold" else {"quick"})


def test_a_plan_is_held_to_its_modules(python: Path, env: dict[str, str], place: Path) -> None:
    module = packages_of(python) / MODULE
    text = module.read_text()
    module_changes = ("write", {"path": str(module), "text": f"{text}# Another one\n"})
    try:
        _, refused = talk(python, env, "cold", PREVIEW, module_changes, ("apply_plan", {}))
    finally:
        module.write_text(text)

    assert not refused["success"]
    assert "motd.host/plugins/modules/set_message.py" in refused["error"]
    assert not (place / "host" / "motd").exists()


def test_an_export_brings_its_content_and_needs_no_playrail(
    python: Path, env: dict[str, str], place: Path
) -> None:
    file = place / "host" / "motd"
    talk(python, env, "warm", PREVIEW, ("apply_plan", {}))
    shutil.rmtree(file.parent)
    export = place / "export"
    run(python.with_name("playrail"), "ledger", "export", export, cwd=place, env=env)

    copied = {str(path.relative_to(export)) for path in export.rglob("*")}
    collection = "collections/ansible_collections/motd/host"
    assert {"playbooks/motd/set_motd.yml", "playbooks/motd/roles/motd_folder"} <= copied
    assert f"{collection}/plugins/modules/set_message.py" in copied
    assert yaml.safe_load((export / "requirements.yml").read_text()) == {"collections": []}
    plain = {"PATH": f"{python.parent}:{env['PATH']}", "HOME": str(place), "LC_ALL": "C.UTF-8"}
    command = ("ansible-playbook", "-i", "inventory.yml", "site.yml")
    run(python.with_name(command[0]), *command[1:], cwd=export, env=plain)
    assert file.read_text() == "Backup at 2:00"


def test_one_that_is_broken_takes_nothing_else_down(
    python: Path, env: dict[str, str], place: Path
) -> None:
    """Also where its toolset is chosen and its setting is set."""
    code = packages_of(python) / "playrail_motd" / "toolset.py"
    text = code.read_text()
    own = {key: value for key, value in env.items() if key != "PLAYRAIL_POLICY"}
    own["PLAYRAIL_TOOLSETS"] = "motd,files"
    command = python.with_name("playrail")
    code.write_text("import no_such_module\n")
    try:
        (answer,) = talk(python, own, "cold", ("read_file", {"path": "/etc/os-release"}))
        seen = run("sh", "-c", f"{command} tools --all 2>&1", cwd=place, env=own)
        doctor = run("sh", "-c", f"{command} doctor 2>&1 || true", cwd=place, env=own)
    finally:
        code.write_text(text)

    assert answer["success"]
    sentence = "cannot be used: ModuleNotFoundError: No module named 'no_such_module'"
    assert f"The plugin motd {sentence}." in seen
    assert "plugin motd" in doctor
    assert "no_such_module" in doctor
