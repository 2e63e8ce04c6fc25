"""The table of Ansible's settings knows every one that the installed Ansible has, and the
page is made from it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.judgements import Setting, Verdict, decided, dropped, held, judgements, page
from playrail.ansible.run.play import Play
from playrail.settings.content import content_root
from worlds.checkout import ROOT

PAGE = ROOT / "docs" / "ansible-settings.md"
# What `ansible-config list` reads, for all types of plugins in one process.
LISTING = """
import json, sys
from ansible import constants
from ansible.plugins import loader

def names(options):
    for name, option in options.items():
        ini = [f"{each['section']}/{each['key']}" for each in option.get("ini") or ()]
        others = [each["name"] for kind in ("env", "vars") for each in option.get(kind) or ()]
        yield name, [*ini, *others]

found = dict(names(constants.config.get_configuration_definitions()))
for kind in constants.CONFIGURABLE_PLUGINS:
    for plugin in getattr(loader, f"{kind}_loader").all(class_only=True):
        options = constants.config.get_configuration_definitions(kind, plugin._load_name)
        of_plugin = f"{kind}/{plugin._load_name.lstrip('_')}"
        found |= {f"{of_plugin}.{name}": given for name, given in names(options) if given}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Ansible's own settings, each with all ways to give it."""
    home = tmp_path_factory.mktemp("home")
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    told = subprocess.run(
        [sys.executable, "-P", "-c", LISTING], env=env, stdout=subprocess.PIPE, check=True, cwd=home
    )
    found: dict[str, list[str]] = json.loads(told.stdout)
    assert {
        "DEFAULT_LOG_PATH",
        "connection/ssh.reconnection_retries",
        "callback/default.result_format",
    } < found.keys()
    return found


def settings() -> dict[str, Setting]:
    return {setting.name: setting for judgement in judgements() for setting in judgement.settings}


def test_every_setting_of_the_installed_ansible_is_judged_by_all_its_names(
    own: dict[str, list[str]],
) -> None:
    judged = {name: {*each.ini, *each.env, *each.variables} for name, each in settings().items()}
    missing = {
        name: sorted(names)
        for name, given in own.items()
        if (names := {each for each in given if "'" not in each} - judged.get(name, set()))
        or name not in judged
    }
    assert missing == {}


def test_each_setting_is_judged_once() -> None:
    names = [setting.name for judgement in judgements() for setting in judgement.settings]
    assert sorted(names) == sorted(set(names))


def test_every_judgement_says_why_in_a_sentence_and_has_the_value_that_it_needs() -> None:
    for each in judgements():
        assert each.why.endswith(".")
        assert (each.value is not None) is (each.verdict in (Verdict.DECIDED, Verdict.PRESET))
        assert each.where in (None, "inventory", "given", "run")


def test_no_name_of_a_decided_or_refused_setting_is_one_of_a_setting_that_is_the_users() -> None:
    users = {
        name
        for each in judgements()
        if each.verdict in (Verdict.TAKEN, Verdict.PRESET, Verdict.ADDED_TO)
        for setting in each.settings
        for name in setting.env
    }
    assert (users & dropped(), users & decided().keys()) == (set(), set())


def test_the_page_is_made_from_the_table() -> None:
    made = "python -m playrail.ansible.judgements docs/ansible-settings.md"
    assert PAGE.read_text(encoding="utf-8") == page(), (
        f"docs/ansible-settings.md is stale; run: {made}"
    )


def test_what_holds_against_inventories_is_in_the_variables_of_every_play() -> None:
    play = Play(
        run_id="r", playbook=Path("/b.yml"), hosts=["a"], inventory=["/i"], variables={}, secrets={}
    )

    told: dict[str, Any] = json.loads(play.extravars())
    expected = {
        "ansible_no_target_syslog": True,
        "ansible_ssh_use_tty": False,
        "ansible_ssh_verbosity": 0,
    }

    assert {name: told[name] for name in expected} == expected
    assert held().items() <= told.items()


def test_the_playbooks_count_on_nothing_that_a_taken_setting_changes() -> None:
    """`gathering` and `inject_facts_as_vars` would else be decided."""
    for playbook in (content_root() / "playbooks").glob("*/*.yml"):
        text = playbook.read_text(encoding="utf-8")
        assert "gather_facts: false" in text, playbook
        assert "lookup(" not in text, playbook
