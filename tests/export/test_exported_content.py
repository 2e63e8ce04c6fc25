"""What an export must bring along for its playbooks, and how it writes text that Ansible must not
take for a template.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible.parsing.dataloader import DataLoader
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from playrail.ansible.content.named_content import named_collections, named_roles
from playrail.ansible.content.unsafe_yaml import to_yaml
from playrail.settings.content import content_root
from playrail.settings.target import Unsafe


def test_what_playbooks_name(tmp_path: Path) -> None:
    path = tmp_path / "play.yml"
    tasks = [
        {"ansible.builtin.debug": {"msg": "a.b.c"}},
        {
            "block": [
                {"community.docker.docker_container": {"name": "x"}},
                {"ansible.legacy.mine": {}},
            ]
        },
        {"ansible.builtin.include_role": {"name": "third"}},
        {"playrail.host.read_part": {"path": "/etc/motd"}},
    ]
    path.write_text(
        yaml.safe_dump([{"hosts": "all", "roles": ["first", {"role": "second"}], "tasks": tasks}])
    )

    assert (named_collections(path), named_roles(path)) == (
        {"community.docker", "playrail.host"},
        {"first", "second", "third"},
    )
    every = (content_root() / "playbooks").glob("*/*.yml")
    assert {name for playbook in every for name in named_collections(playbook)} == {"playrail.host"}


@hypothesis_given(
    st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"])),
        st.text(alphabet="\n\t ab:#-'\"\\{%}0x7~<=\r\x85\u2028"),
        st.sampled_from(
            ["0640", "yes", "null", "1e3", "<<", "=", "2026-11-20", "{{ 1 }}", "|", "\n", ""]
        ),
    )
)
def test_unsafe_text_is_what_ansible_reads(text: str) -> None:
    read = DataLoader().load(to_yaml({"some": [{"text": Unsafe(text)}]}))["some"][0]["text"]

    assert (isinstance(read, str), read) == (True, text)
