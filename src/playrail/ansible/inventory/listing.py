"""Lists the inventory as `ansible-inventory --list` does, and tells in `_meta` what of it
could not be read.

`ansible-inventory` warns of a file that no plugin reads, and ends when the variables of one
host cannot be read. Here the first is told by name, and the second is that host's trouble
alone. It is a process of its own, see inventory.py.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from typing import Any

import ansible.cli
from ansible import constants
from ansible.cli.inventory import InventoryCLI
from ansible.errors import AnsibleError
from ansible.inventory.helpers import get_group_vars
from ansible.inventory.manager import InventoryManager
from ansible.parsing.vault import AnsibleVaultError
from ansible.utils.vars import combine_vars

NOTES = "playrail"  # the key in `_meta`
STRICT = "INVENTORY_ANY_UNPARSED_IS_FAILED"
_unread: dict[str, str] = {}
_empty: dict[str, str] = {}
_broken: dict[str, dict[str, Any]] = {}


class _Manager(InventoryManager):
    """Notes the files that no plugin reads, and the sources of which nothing was read, with
    what Ansible says.
    """

    _depth = 0

    def parse_source(self, source: str, cache: bool = False) -> bool:
        display, sys.stderr = sys.stderr, io.StringIO()
        self._depth += 1
        try:
            parsed = bool(super().parse_source(source, cache=cache))
        finally:
            self._depth -= 1
            said, sys.stderr = sys.stderr.getvalue(), display
            sys.stderr.write(said)
        if not parsed and not os.path.isdir(source):  # noqa: PTH112  as Ansible looks at it
            _unread[source] = said
        if not parsed and self._depth == 0:
            _empty[source] = said
        return parsed


class _Listing(InventoryCLI):
    def _get_host_variables(self, host: Any) -> Any:
        try:
            return super()._get_host_variables(host)
        except AnsibleError as error:
            _broken[host.name] = {
                "why": str(error),
                "where": _where(error),
                "vault": _is_of_vault(error),
            }
            return self._remove_internal(
                combine_vars(get_group_vars(host.get_groups()), host.get_vars())
            )

    def json_inventory(self, top: Any) -> Any:
        listing = super().json_inventory(top)
        strict, origin = constants.config.get_config_value_and_origin(STRICT)
        listing["_meta"][NOTES] = {
            "unread": _unread,
            "empty": _empty,
            "broken": _broken,
            "empty_is_fine": origin != "default" and not strict,
        }
        return listing


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it. The plugin for host_vars hides that behind an error of
    its own.
    """
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _where(error: AnsibleError) -> str | None:
    """The file that the error is about, without the lines that Ansible shows of it."""
    contexts = [getattr(cause, "_formatted_source_context", None) or "" for cause in _causes(error)]
    firsts = [context.partition("\n")[0] for context in contexts]
    return next(
        (first.removeprefix("Origin: ") for first in firsts if first.startswith("Origin: /")), None
    )


def _is_of_vault(error: AnsibleError) -> bool:
    """Whether it is the vault's password that is missing or wrong."""
    return any(isinstance(cause, AnsibleVaultError) for cause in _causes(error))


if __name__ == "__main__":
    ansible.cli.InventoryManager = _Manager
    _Listing.cli_executor(["ansible-inventory", *sys.argv[1:]])
