"""The packet filters of the kernel, by the words of iptables-save and nft."""

import json
import os

from ansible_collections.playrail.host.plugins.module_utils.iptables_rules import chains_of
from ansible_collections.playrail.host.plugins.module_utils.netlink import base_chains
from ansible_collections.playrail.host.plugins.module_utils.nft_rules import Ruleset
from ansible_collections.playrail.host.plugins.module_utils.packet_rules import ACCEPT

SAVERS = (("ip", "iptables"), ("ip6", "ip6tables"))
INTERNET = ("ip", "ip6", "inet")
OUTPUT = 3  # the number of the hook; before it are prerouting, input and forward
OF_NFTABLES = "(nf_tables)"  # in the first line of an iptables that keeps its rules there
NEW_FORM = (LookupError, ValueError, TypeError, AttributeError)  # what one not foreseen comes to
LEGACY = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}


class Rules:
    """The chains of the kernel's packet filters, and what of them could not be read."""

    def __init__(self, module):
        self.module, self.chains, self.not_known, self.kinds = module, [], set(), []
        try:
            listed = base_chains()
        except OSError as error:
            why = "only root may see them" if os.geteuid() else os.strerror(error.errno or 0)
            self.not_known.add("rules: " + why)
            return
        # What goes out is not what is asked for here, nor what a bridge passes on
        self.tables = {one[:2] for one in listed if one[0] in INTERNET and one[2] < OUTPUT}
        early = {one[:2] for one in listed if one[0] == "netdev"}
        told = [one for family, name in SAVERS for one in self.saved(family, name)]
        self.add("iptables", told)
        there = {(one.family, one.table) for one in told}
        if not there.issuperset(self.tables):
            self.add(
                "nftables", [one for one in self.ruleset() if (one.family, one.table) not in there]
            )
        self.not_known.update("%s %s: its rules are not judged" % one for one in early)

    def add(self, kind, chains):
        self.chains += chains
        if any(one.rules or one.policy not in (None, ACCEPT) for one in chains):
            self.kinds.append(kind)

    def saved(self, family, name):
        """What iptables-save tells of the rules in its own tables, and of those that it keeps
        in nftables. A host may have both.
        """
        found, is_legacy = [], is_in_use(LEGACY[family])
        for suffix in ("-save", "-legacy-save"):
            program = self.module.get_bin_path(name + suffix)
            wanted = is_legacy or (suffix == "-save" and family in {one[0] for one in self.tables})
            if program is None or not wanted:
                continue
            status, output, _errors = self.module.run_command([program])
            if status != 0:
                self.not_known.add("%s: it failed" % (name + suffix))
                continue
            prefix = "" if OF_NFTABLES in output else "legacy "
            try:
                found += chains_of(output, family, prefix)
            except NEW_FORM as error:  # a form that is new; the rest is told
                words = "%s: its rules are not read (%s)" % (name + suffix, type(error).__name__)
                self.not_known.add(words)
            if output and prefix:
                is_legacy = False  # these are told
        if is_legacy:
            self.not_known.add("%s: rules are in use, and no program tells them" % name)
        return found

    def ruleset(self):
        program = self.module.get_bin_path("nft")
        if program is None:
            self.not_known.add("nftables: there are tables, and no program nft that tells them")
            return []
        status, output, _errors = self.module.run_command([program, "-j", "list", "ruleset"])
        try:
            document = json.loads(output) if status == 0 else None
        except ValueError:
            document = None
        if document is None:
            self.not_known.add("nftables: nft failed")
            return []
        try:
            return list(Ruleset(document).chains.values())
        except NEW_FORM as error:  # nft's JSON has a form that is new; the rest is told
            self.not_known.add("nftables: its rules are not read (%s)" % type(error).__name__)
            return []


def is_in_use(path):
    try:
        with open(path) as file:
            return bool(file.read(100))
    except OSError:
        return False
