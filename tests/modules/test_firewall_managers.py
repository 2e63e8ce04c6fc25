"""The rules of ufw and firewalld, as their files and words tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import SHARED, loaded


def shared(name: str) -> Any:
    return loaded(SHARED / f"{name}.py")


def test_ufw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    managers = shared("firewall_managers")
    monkeypatch.setattr(managers, "UFW", str(tmp_path))
    monkeypatch.setattr(managers, "DEFAULTS", str(tmp_path / "default"))
    assert managers.ufw() is None
    (tmp_path / "ufw.conf").write_text("# \nENABLED=yes\n")
    (tmp_path / "default").write_text('DEFAULT_INPUT_POLICY="DROP"\n')
    (tmp_path / "user.rules").write_text(
        "### tuple ### allow tcp 22 0.0.0.0/0 any 10.0.0.0/8 in_eth0\n"
        "### tuple ### route:deny any any 0.0.0.0/0 any 0.0.0.0/0 in\n"
        "-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n"
    )
    (incoming, forwarded) = managers.ufw()[1]
    assert incoming == {
        "name": "incoming",
        "policy": "drop",
        "rules": [
            {
                "verdict": "accept",
                "protocol": "tcp",
                "port": "22",
                "from": "10.0.0.0/8",
                "interface": "eth0",
            }
        ],
    }
    assert forwarded["rules"] == [{"verdict": "drop"}]
    (tmp_path / "user6.rules").mkdir()
    assert managers.ufw() == (True, None)


def test_rules_of_ufw_that_log() -> None:
    words = ["deny_log-all", "tcp", "22", "0.0.0.0/0", "any", "0.0.0.0/0", "in"]
    assert shared("firewall_managers").ufw_rule(words)[1] == {
        "verdict": "drop",
        "protocol": "tcp",
        "port": "22",
    }


def test_zones_of_firewalld() -> None:
    text = (
        "public (default, active)\n  target: default\n  interfaces: eth0\n  sources: \n"
        "  services: ssh\n  ports: 8080/tcp\n  source-ports: 53/udp\n  rich rules: \n"
        '\trule family="ipv4" source address="192.0.2.0/24" drop\n\n'
        "work\n  target: default\n  services: ssh\n"
    )
    (zone,) = shared("firewall_managers").zones(text)
    assert (zone["name"], zone["policy"], zone["interfaces"]) == ("public", "reject", ["eth0"])
    assert [one["verdict"] for one in zone["rules"]] == ["accept", "accept", "accept", "drop"]
    assert zone["rules"][2] == {"verdict": "accept", "from_port": "53", "protocol": "udp"}
