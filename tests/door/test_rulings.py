"""What the inventory does not bear out of a policy is told at the start, and when it
becomes otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from worlds.local_plays import LOCAL
from worlds.plan_world import world

pytestmark = pytest.mark.slow

RULES = """
rules:
  - {name: frozen, hosts: ["tag:frozen", "group:Web"], then: deny}
  - {name: rest, then: allow}
"""


def test_doubts_are_told_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy, hosts = tmp_path / "policy.yml", tmp_path / "hosts.yml"
    policy.write_text(RULES)
    variables = {**LOCAL, "playrail_tags": "frozen", "playrail_tier": "{{ x }}"}
    hosts.write_text(
        json.dumps({"all": {"children": {"web": {"hosts": {"one": variables, "two": LOCAL}}}}})
    )
    given = {"PLAYRAIL_POLICY": str(policy), "PLAYRAIL_INVENTORY": str(hosts), "PLAYRAIL_WARM": "0"}

    with world(tmp_path / "place", **given) as made:
        made.portal.call(made.server.warm_up)
        told = [message for message in caplog.messages if message.startswith("policy: ")]
        denied = made.call("read_file", server="one", path="/etc/hostname").code
        allowed = made.call("read_file", server="two", path="/etc/hostname").code
        again = [message for message in caplog.messages if message.startswith("policy: ")]

    assert told == [
        "policy: the rule 'frozen' (line 3): tag:frozen means no host of the inventory now",
        (
            "policy: the rule 'frozen' (line 3): group:Web means no host of the inventory now; "
            "did you mean group:web?"
        ),
        "policy: the host 'one': playrail_tier cannot be read, so it counts as production",
        (
            "policy: the host 'one': playrail_tags cannot be read, so it counts as one that "
            "may have any tag"
        ),
    ]
    assert (denied, allowed, again) == ("denied", "ok", told)
