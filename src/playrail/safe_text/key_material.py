"""Finds private keys and credentials in bytes, by the very code that does so on hosts.

A record must not keep what no tool for files shows.
"""

from __future__ import annotations

from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from typing import Any

from playrail.settings.content import collection

ON_HOSTS = "plugins/module_utils/keys.py"


@cache
def _on_hosts() -> Any:
    """The hosts' module. It compiles dozens of patterns, so it is loaded when it is needed,
    and not at the start.
    """
    loader = SourceFileLoader("playrail_keys", str(collection() / ON_HOSTS))
    module = module_from_spec(ModuleSpec(loader.name, loader, origin=loader.path))
    loader.exec_module(module)
    return module


def key_in(data: bytes) -> str | None:
    """What kind of key or credential is in these bytes; None when there is none."""
    found: str | None = _on_hosts().key_in(data)
    return found
