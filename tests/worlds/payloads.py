"""Makes what Ansible sends to a host for a module: `python payloads.py LIBRARY`.

Reads a list of [name, arguments] as JSON from standard input and writes a line of base64
for each. It is a process of its own, since Ansible's loaders are set up once per process.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from ansible import constants
from ansible.executor import module_common
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

INTERNAL: dict[str, Any] = {
    "check_mode": False,
    "no_log": False,
    "debug": False,
    "diff": False,
    "verbosity": 0,
    "tmpdir": None,
}
if "INJECT_INVOCATION" in constants.config.get_configuration_definitions():  # from 2.21 on
    INTERNAL["inject_invocation"] = True


def payload(name: str, arguments: dict[str, Any]) -> bytes:
    told = {
        **arguments,
        **{f"_ansible_{key}": value for key, value in INTERNAL.items()},
        "_ansible_module_name": name,
    }
    made = module_common.modify_module(
        module_name=name,
        module_path=module_loader.find_plugin(name),
        module_args=told,
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",
    )
    data: bytes = made.b_module_data
    return data


if __name__ == "__main__":
    init_plugin_loader()
    module_loader.add_directory(sys.argv[1])
    for asked_name, asked_arguments in json.load(sys.stdin):
        print(base64.b64encode(payload(asked_name, asked_arguments)).decode())  # noqa: T201
