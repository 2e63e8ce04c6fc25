"""A call of each tool, made of its fields' examples."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from playrail.tools.schemas import input_schema
from playrail.tools.tool import AnyTool

# Arguments that stand in the place of others, or need other ones: a call with each.
INSTEAD: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "install_package": {"version": {"name": "nginx", "version": "1.6-2.1"}},
    "list_packages": {"owner_of": {"owner_of": "/usr/sbin/nginx"}},
    "compare_hosts": {
        "areas": {
            "server": ["web1", "web2"],
            "areas": ["packages", "files"],
            "paths": ["/etc/nginx"],
        },
    },
    "check_certificate": {"path": {"path": "/etc/ssl/certs/site.pem"}},
    "write_file": {
        "link_to": {"path": "/etc/a", "link_to": "../a"},
        "encoding": {"path": "/etc/a", "content": "QQ==", "encoding": "base64"},
    },
}


def example_of(tool: AnyTool) -> dict[str, Any]:
    """Arguments for the tool of the catalogue, made of its fields' examples."""
    if tool.name not in _EXAMPLES:
        properties = input_schema(tool).get("properties", {})
        left_out = INSTEAD.get(tool.name, {})
        _EXAMPLES[tool.name] = {
            name: schema["examples"][0]
            for name, schema in properties.items()
            if name not in left_out
        }
    return deepcopy(_EXAMPLES[tool.name])


_EXAMPLES: dict[str, dict[str, Any]] = {}
