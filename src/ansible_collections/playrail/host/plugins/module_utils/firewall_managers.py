"""Who manages a host's packet filter, and their rules in the shape of chains: ufw's files,
and firewalld by its own word.
"""

import os
import re

from ansible_collections.playrail.host.plugins.module_utils.processes import own_processes

UFW = "/etc/ufw"
DEFAULTS = "/etc/default/ufw"
FILE_BYTES = 1024 * 1024
TUPLE = "### tuple ### "
MADE_BY = {
    "docker": re.compile(r"DOCKER\Z|docker"),
    "kubernetes": re.compile(r"KUBE-|cali-|cilium"),
    "fail2ban": re.compile(r"f2b-|fail2ban"),
    "libvirt": re.compile(r"LIBVIRT_|libvirt"),
    "tailscale": re.compile(r"ts-(?:input|forward)"),
    "crowdsec": re.compile(r"crowdsec"),
}
ZONE = re.compile(r"(\S+)(?: \((.*)\))?\Z")


def text_of(path):
    try:
        with open(path, "rb") as file:
            return file.read(FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def setting(text, name):
    found = re.search(r"^\s*%s\s*=\s*\"?([^\"\n#]*)" % name, text or "", re.MULTILINE)
    return found.group(1).strip().lower() if found else None


def others(chains):
    """Programs that made chains or tables, by their names."""
    names = {one.name for one in chains} | {one.table for one in chains}
    return [who for who, form in sorted(MADE_BY.items()) if any(map(form.match, names))]


def ufw():
    """Whether ufw is enabled, and its rules as chains, None where these may not be read; None
    where it is not installed.
    """
    switch = text_of(UFW + "/ufw.conf")
    if switch is None:
        return None
    defaults = text_of(DEFAULTS)
    rules = {"incoming": [], "outgoing": [], "forwarded": []}
    for path in (UFW + "/user.rules", UFW + "/user6.rules"):
        text = text_of(path)
        if text is None and os.path.exists(path):
            return setting(switch, "ENABLED") == "yes", None
        for line in (text or "").splitlines():
            if line.startswith(TUPLE):
                direction, rule = ufw_rule(line[len(TUPLE) :].split())
                if rule not in rules[direction]:
                    rules[direction].append(rule)
    policies = {"incoming": "INPUT", "outgoing": "OUTPUT", "forwarded": "FORWARD"}
    chains = [
        {
            "name": name,
            "policy": setting(defaults, "DEFAULT_%s_POLICY" % policies[name]) or "not_known",
            "rules": found,
        }
        for name, found in rules.items()
        if found or name == "incoming"
    ]
    return setting(switch, "ENABLED") == "yes", chains


def ufw_rule(words):
    """The rule of a line `route:allow tcp 22 0.0.0.0/0 any 10.0.0.0/8 in_eth0`; its direction."""
    action, protocol, port, to, from_port, origin = (words + [""] * 6)[:6]
    verdict = action.split(":")[-1].partition("_")[0]  # allow_log, allow_log-all
    rule = {"verdict": {"allow": "accept", "deny": "drop"}.get(verdict, verdict)}
    direction = "forwarded" if action.startswith("route:") else "incoming"
    for key, value in (("protocol", protocol), ("port", port), ("from_port", from_port)):
        rule.update({key: value} if value not in ("any", "") else {})
    for key, value in (("destination", to), ("from", origin)):
        rule.update({key: value} if value not in ("0.0.0.0/0", "::/0", "any", "") else {})
    for word in words[6:]:
        for part in word.split("!"):
            if part.startswith("in_"):
                rule["interface"] = part[3:]
            elif part == "out" or part.startswith("out_"):
                direction = direction if direction == "forwarded" else "outgoing"
                rule.update({"out_interface": part[4:]} if part[4:] else {})
    return direction, rule


def firewalld_runs():
    """Its process often has the name of Python, in which it is written."""
    return bool(
        own_processes(
            lambda one: (
                one.name == "firewalld"
                or (one.name.startswith("python") and "firewalld" in " ".join(one.arguments()[:3]))
            )
        )
    )


def firewalld(module):
    """The zones of firewalld that are in use, as chains; None where it does not answer."""
    program = module.get_bin_path("firewall-cmd")
    if program is None:
        return None
    status, output, _errors = module.run_command(
        [program, "--list-all-zones"], environ_update={"LC_ALL": "C"}
    )
    return list(zones(output)) if status == 0 else None


def zones(text):
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        head = ZONE.match(lines[0].strip()) if lines else None
        if head is None or "active" not in (head.group(2) or ""):
            continue
        about, rich = {}, []
        for line in lines[1:]:
            if line.startswith("\t"):
                rich.append(line.strip())
                continue
            key, _colon, value = line.strip().partition(":")
            about[key] = value.split()
        rules = [{"verdict": "accept", "service": one} for one in about.get("services", ())]
        for one in about.get("ports", ()):
            port, _slash, protocol = one.partition("/")
            rules.append({"verdict": "accept", "port": port, "protocol": protocol})
        for one in about.get("source-ports", ()):
            port, _slash, protocol = one.partition("/")
            rules.append({"verdict": "accept", "from_port": port, "protocol": protocol})
        rules += [{"verdict": "accept", "protocol": one} for one in about.get("protocols", ())]
        rules += [{"verdict": "forward", "other": one} for one in rich if "toport=" in one]
        rules += [{"verdict": verdict_of(one), "other": one} for one in rich if "rule" in one]
        target = "".join(about.get("target", ())).strip("%").lower()
        zone = {"name": head.group(1), "rules": rules}
        zone["policy"] = "reject" if target == "default" else target
        for key in ("interfaces", "sources"):
            zone.update({key: about[key]} if about.get(key) else {})
        yield zone


def verdict_of(rich):
    return next((one for one in ("accept", "reject", "drop") if " " + one in rich), "other")
