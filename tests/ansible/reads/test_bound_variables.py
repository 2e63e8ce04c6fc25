"""Which variables a plan is bound to: those by which plays go, not those that tell of the
host's weather.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.reads.variables import bound_variables, used_in

BASE: dict[str, Any] = {
    "ansible_host": "192.0.2.1",
    "uptime_seconds": 1,
    "load": [0.1],
    "facts": {"uptime": 7},
}
GROUPS: dict[str, Any] = {
    "all": {"children": ["ungrouped", "prod", "other"]},
    "prod": {"children": ["web"]},
    "web": {"hosts": ["h"]},
    "other": {"hosts": ["b"]},
}


def listing(own: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {**GROUPS, "_meta": {"hostvars": {"h": {**BASE, **own}, **others}}}


def is_bound(own: dict[str, Any], change: dict[str, Any], used: tuple[str, ...] = ()) -> bool:
    before = bound_variables(listing(own), ["h"], used)
    return before != bound_variables(listing({**own, **change}), ["h"], used)


@pytest.mark.parametrize(
    ("own", "change", "used"),
    [
        ({}, {"ansible_host": "192.0.2.9"}, ()),
        ({}, {"ansible_become_method": "doas"}, ()),
        ({}, {"ansible_python_interpreter": "/x"}, ()),
        ({}, {"playrail_tier": "staging"}, ()),
        ({}, {"tier": "staging"}, ()),
        ({}, {"playrail_tags": ["x"]}, ()),
        ({}, {"tags": ["x"]}, ()),
        ({"ansible_host": "{{ address }}", "address": "a"}, {"address": "b"}, ()),
        (
            {"ansible_host": "{{ net.address }}", "net": {"address": "a"}},
            {"net": {"address": "b"}},
            (),
        ),
        (
            {"ansible_host": "{{ one }}", "one": "{{ two | default('x') }}", "two": "a"},
            {"two": "b"},
            (),
        ),
        (
            {"ansible_ssh_common_args": "-J {% if x %}{{ jump }}{% endif %}", "jump": "a"},
            {"jump": "b"},
            (),
        ),
        (
            {"ansible_host": "{{ lookup('vars', 'ad' ~ 'dress') }}", "address": "a"},
            {"address": "b"},
            (),
        ),
        ({"ansible_host": "{{ vars['address'] }}", "address": "a"}, {"address": "b"}, ()),
        ({"ansible_ssh_extra_args": {"x": ["{{ deep }}"]}, "deep": 1}, {"deep": 2}, ()),
        ({"ansible_connection": "community.general.proxmox_pct", "vmid": 1}, {"vmid": 2}, ()),
        ({"app_port": 1}, {"app_port": 2}, ("app_port",)),
        ({"app_port": "{{ base }}", "base": 1}, {"base": 2}, ("app_port",)),
    ],
)
def test_what_plays_go_by_counts(
    own: dict[str, Any], change: dict[str, Any], used: tuple[str, ...]
) -> None:
    assert is_bound(own, change, used)


@pytest.mark.parametrize(
    ("own", "change"),
    [
        ({}, {"uptime_seconds": 2}),
        ({}, {"load": [0.2]}),
        ({}, {"facts": {"uptime": 8}}),
        ({"note": "{{ uptime_seconds }}"}, {"uptime_seconds": 2}),
        ({"ansible_host": "{{ address }}", "address": "a"}, {"uptime_seconds": 2}),
        ({"ansible_connection": "ansible.builtin.ssh"}, {"uptime_seconds": 2}),
    ],
)
def test_what_changes_by_itself_does_not(own: dict[str, Any], change: dict[str, Any]) -> None:
    assert not is_bound(own, change)


def test_other_hosts_count_where_a_template_names_them() -> None:
    own = {"ansible_ssh_common_args": "-J {{ hostvars['b'].ansible_host }}"}
    before = bound_variables(listing(own, b={"ansible_host": "1", "uptime": 1}), ["h"], ())

    assert bound_variables(listing(own, b={"ansible_host": "2", "uptime": 1}), ["h"], ()) != before
    assert bound_variables(listing(own, b={"ansible_host": "1", "uptime": 2}), ["h"], ()) == before
    assert bound_variables(listing({}, b={"ansible_host": "1"}), ["h"], ()) == bound_variables(
        listing({}, b={"ansible_host": "2"}), ["h"], ()
    )


def test_the_groups_of_the_host_count_and_those_of_others_do_not() -> None:
    def groups(**changes: Any) -> Any:
        return bound_variables({**listing({}), **changes}, ["h"], ())["the groups"]

    assert groups() == {"h": ["all", "prod", "web"]}
    assert groups(other={"hosts": ["b", "c"]}) == groups()
    assert groups(other={"hosts": ["b", "h"]}) != groups()


def test_a_variable_is_named() -> None:
    assert set(bound_variables(listing({}), ["h"], ())) == {
        "the variable ansible_host",
        "the groups",
    }


def test_what_a_playbook_uses(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text("""
- hosts: "{{ playrail_target }}"
  # uptime_seconds is not used
  tasks:
    - name: Write {{ where }}
      ansible.builtin.copy: {content: "{{ text | default('load') }}", dest: !unsafe "{{ no }}"}
      when: wanted is defined and state.memory == 'running'
      loop: "{{ query('vars', 'x') }}"
""")
    (tmp_path / "t.j2").write_text("{% for one in many %}{{ one.name }}{% endfor %}")
    used = used_in(tmp_path, "a")

    assert {"playrail_target", "where", "text", "wanted", "state", "many"} <= used
    assert used.isdisjoint({"uptime_seconds", "load", "running", "memory", "name", "x"})
