"""Who and what gets in and out of a real host: what the tools tell is what was planted there,
and what the host says by another way.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .conftest import Wire, on_host
from .own_host import Operator, OwnHost

pytestmark = pytest.mark.lab

PLANT = r"""
set -e
useradd --non-unique --uid 0 --create-home --shell /bin/bash toor 2>/dev/null
useradd --create-home --shell /bin/bash ann
useradd --create-home --shell /usr/sbin/nologin tunnel
passwd --delete ann >/dev/null
groupadd --force docker && usermod --append --groups docker ann
echo 'ann ALL=(ALL) NOPASSWD: /usr/bin/apt' >/etc/sudoers.d/ann
mkdir -p /etc/keys /home/tunnel/.ssh
ssh-keygen -q -t ed25519 -N '' -C 'ann@laptop' -f /srv/ann
ssh-keygen -q -t ed25519 -N '' -C '' -f /srv/tunnel
cp /srv/ann.pub /etc/keys/ann
cut -d ' ' -f 1,2 /srv/tunnel.pub >/home/tunnel/.ssh/authorized_keys
printf 'Port 2222\nPidFile none\nPermitRootLogin yes\n' >/srv/second
echo 'AuthorizedKeysFile /etc/keys/%u' >>/srv/second
/usr/sbin/sshd -f /srv/second
logger --tag sshd 'Failed password for root from 203.0.113.66 port 4 ssh2'
"""
RULES = """
iptables -P INPUT DROP
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -A INPUT -s 198.51.100.0/24 -p tcp --dport 2222 -j ACCEPT
"""
CERTIFICATE = """
cd /srv
openssl req -x509 -newkey rsa:2048 -nodes -keyout page.key -out page.pem -days 5 \\
  -subj /CN=www.lab.test -addext subjectAltName=DNS:www.lab.test 2>/dev/null
setsid --fork openssl s_server -accept 8443 -cert page.pem -key page.key -www -quiet \\
  >/dev/null 2>&1 </dev/null
mkdir -p pages && echo 'all is well' >pages/health
setsid --fork python3 -m http.server --directory pages --bind 127.0.0.1 8088 \\
  >/dev/null 2>&1 </dev/null
until curl -sfo /dev/null http://127.0.0.1:8088/health; do sleep 0.1; done
until curl -skfo /dev/null https://127.0.0.1:8443/; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def planted(living: Operator) -> Operator:
    living.host.sh(PLANT)
    living.host.sh(CERTIFICATE)
    return living


def size(found: dict[str, Any]) -> int:
    return len(json.dumps(found, separators=(",", ":")))


def test_logins(planted: Operator, host: OwnHost) -> None:
    found = planted.report("list_logins")
    accounts = {one["user"]: one for one in found["accounts"]}
    assert [one["user"] for one in found["accounts"]][:2] == ["toor", "ann"]
    assert "uid_0" in accounts["toor"]["unusual"]
    ann = accounts["ann"]
    assert {"empty_password", "sudo_without_password", "keys_elsewhere"} <= set(ann["unusual"])
    assert (ann["password"], ann["root_groups"]) == ("empty", ["docker"])
    assert ann["sudo"] == [{"commands": ["/usr/bin/apt"], "no_password": True}]
    told = host.sh("ssh-keygen -l -f /etc/keys/ann").split()
    assert (ann["keys"][0]["fingerprint"], ann["keys"][0]["comment"]) == (told[1], told[2])
    assert ann["keys"][0]["file"] == "/etc/keys/ann"
    assert {"key_without_login_shell", "key_without_comment"} <= set(accounts["tunnel"]["unusual"])
    first, second = sorted(found["ssh_servers"], key=lambda one: "config" in one)
    assert (second["config"], second["root"]) == ("/srv/second", "yes")
    assert "0.0.0.0:2222" in second["listens"]
    assert first["root"] == "prohibit-password"
    origins = {one["address"]: one for one in found["failed_logins"]["origins"]}
    assert origins["203.0.113.66"]["users"] == ["root"]
    assert "not_known" not in found
    assert size(found) <= 4000


def test_logins_of_one_account(planted: Operator) -> None:
    found = planted.report("list_logins", user="ann")
    assert [one["user"] for one in found["accounts"]] == ["ann"]
    answer = planted.call("list_logins", user="nobody-at-all")
    assert answer.code == "owner_not_found"


def test_firewall(planted: Operator, host: OwnHost) -> None:
    before = planted.report("get_firewall")
    assert before["services"][0]["reachable"] == "anywhere"
    host.sh(RULES)
    try:
        found = planted.report("get_firewall")
        tried = planted.call("check_port", port=2222, address=host.address)
    finally:
        host.sh("iptables -P INPUT ACCEPT; iptables -F INPUT")
    services = {(one["protocol"], one["port"]): one for one in found["services"]}
    assert services["tcp", 22]["reachable"] == "anywhere"
    assert services["tcp", 2222]["reachable"] == "limited"
    assert services["tcp", 2222]["sources"] == ["198.51.100.0/24"]
    assert services["tcp", 8443]["reachable"] == "closed"
    assert services["tcp", 8088]["reachable"] == "this_server_only"
    listening = {
        int(line.split()[4].rpartition(":")[2]) for line in host.sh("ss -H -tuln").splitlines()
    }
    assert {port for _protocol, port in services} == listening
    (chain,) = [one for one in found["chains"] if one.get("hook") == "input"]
    assert (chain["policy"], len(chain["rules"])) == ("drop", 4)
    assert tried.code == "ok"  # from itself it goes by the loopback
    assert size(found) <= 4000


def test_ports_of_others(planted: Operator) -> None:
    found = planted.report("check_port", port=22, address="localhost")
    assert found["connection"] == "open"
    found = planted.report("check_port", port=9, address="127.0.0.1")
    assert found["connection"] == "refused"
    assert "listening" not in found


def test_names(planted: Operator, host: OwnHost) -> None:
    host.sh("grep -q planted.test /etc/hosts || echo 192.0.2.7 planted.test >>/etc/hosts")
    found = planted.report("check_dns", name="planted.test")
    addresses = host.sh("getent ahosts planted.test")
    assert (
        found["resolver"]["addresses"]
        == ["192.0.2.7"]
        == list(dict.fromkeys(re.findall(r"^\S+", addresses, re.MULTILINE)))
    )
    assert found["hosts_file"] == ["192.0.2.7"]
    servers = re.findall(r"^nameserver (\S+)", host.sh("cat /etc/resolv.conf"), re.MULTILINE)
    assert {one["server"] for one in found["servers"]} == set(servers)
    assert {one["status"] for one in found["servers"]} == {"NXDOMAIN"}


def test_pages(planted: Operator) -> None:
    found = planted.report("check_http", url="http://127.0.0.1:8088/health")
    assert (found["status"], found["body"]) == (200, "all is well\n")
    found = planted.report(
        "check_http", url="https://www.lab.test:8443/", address="127.0.0.1", body_bytes=0
    )
    assert (found["status"], found["certificate_problem"]) == (200, "self-signed certificate")
    answer = planted.call("check_http", url="http://169.254.169.254/latest/meta-data/")
    assert answer.code == "protected_address"


def test_certificates(planted: Operator, host: OwnHost) -> None:
    at_port = planted.report("check_certificate", address="localhost", port=8443)
    assert at_port["problems"] == ["name_mismatch", "self_signed", "expires_soon"]
    in_file = planted.report("check_certificate", path="/srv/page.pem", name="www.lab.test")
    assert in_file["problems"] == ["self_signed", "expires_soon"]
    told = host.sh("openssl x509 -in /srv/page.pem -noout -fingerprint -sha256")
    fingerprint = told.partition("=")[2].replace(":", "").lower()
    assert at_port["fingerprint_sha256"] == in_file["fingerprint_sha256"] == fingerprint
    answer = planted.call("check_certificate", path="/etc/hostname")
    assert answer.code == "no_certificate"


def test_nothing_is_written(planted: Operator, host: OwnHost) -> None:
    """Neither a file of the system, nor a log of sudo."""
    host.sh("touch /srv/before; sleep 1.1")
    for tool in ("list_logins", "get_firewall"):
        planted.report(tool)
    places = "/etc /var/lib /var/log /root/.ssh /home"
    changed = host.sh(f"find {places} -newer /srv/before -type f").splitlines()
    assert [path for path in changed if "/journal/" not in path] == []
    assert "COMMAND=list" not in host.sh("journalctl --quiet --no-pager _COMM=sudo")


@pytest.mark.parametrize("name", ["deb12", "deb13"])
def test_keys_and_settings_as_the_host_says(wire_by_ssh: Wire, name: str) -> None:
    found = wire_by_ssh.report("list_logins", server=name, user="root")
    (root,) = found["accounts"]
    told = on_host(name, "ssh-keygen", "-l", "-f", "/root/.ssh/authorized_keys")
    lines = [line.split() for line in told.splitlines()]
    assert [one["fingerprint"] for one in root["keys"]] == [line[1] for line in lines]
    settings = dict(line.split(" ", 1) for line in on_host(name, "sshd", "-T").splitlines())
    # Another test may have started one at another port
    (server,) = (one for one in found["ssh_servers"] if "options" not in one)
    asked = settings["permitrootlogin"].replace("without-password", "prohibit-password")
    assert server["root"] == asked
    firewall = wire_by_ssh.report("get_firewall", server=name, port=22)
    assert [one["reachable"] for one in firewall["services"]] == ["anywhere"]
