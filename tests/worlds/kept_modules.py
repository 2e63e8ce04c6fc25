"""Modules for the tests of what runs modules on hosts, as Ansible sends them there."""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD = """from ansible.module_utils.basic import AnsibleModule
import json, os, signal, subprocess, sys, time
module = AnsibleModule(argument_spec={"path": {"type": "str"}, "other": {"type": "str"}})
"""
OWN = {
    "raises": "raise ValueError('no')",
    "fails": "module.fail_json(msg='it failed')",
    "warns": (
        "module.warn('careful')\nmodule.deprecate('old', "
        "version='9')\nmodule.exit_json(changed=True)"
    ),
    "leaves": "sys.stderr.write('to stderr'); sys.stdout.write('{}'); sys.exit(7)",
    "says_why": "sys.exit('because')",
    "falls_off": "pass",
    "at_end": "import atexit; atexit.register(print, 'at the end'); module.exit_json()",
    "threads": "import threading; threading.Timer(0.2, print, ['late']).start(); sys.exit(0)",
    "dies": "os.kill(os.getpid(), signal.SIGKILL)",
    "reads": (
        "module.exit_json(read=sys.stdin.read(), main=sorted(vars(sys.modules['__main__'])), "
        "argv=sys.argv)"
    ),
    "talks": "print(json.dumps({'text': 'x' * 5_000_000})); sys.exit(0)",
    "looks": """
import decimal
seen = [os.environ.get("LEAK"), os.getcwd(), os.umask(0o022), hasattr(decimal, "leak"),
        hasattr(AnsibleModule, "leak"), "leak" in sys.modules, sorted(os.listdir("/proc/self/fd")),
        signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, os.getsid(0) == os.getpid()]
os.environ["LEAK"] = "1"; os.chdir("/"); os.umask(0o077); decimal.leak = AnsibleModule.leak = 1
sys.modules["leak"] = sys; os.open("/dev/null", os.O_RDONLY)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
sys.path.insert(0, "/leak"); import builtins; builtins.leak = 1
module.exit_json(seen=seen)
""",
    "meets": """
open(module.params["path"], "w").close()
until = time.monotonic() + 10
while not os.path.exists(module.params["other"]) and time.monotonic() < until: time.sleep(0.01)
module.exit_json(met=os.path.exists(module.params["other"]))
""",
    "daemon": "module.exit_json(started=subprocess.Popen(['sleep', '1000']).pid)",
    "slow": "time.sleep(1)\nopen(module.params['path'], 'w').close()\nmodule.exit_json()",
    "environ": """
module.exit_json(own=open('/proc/self/environ').read(), run=os.environ.get('PLAYRAIL_RUN'),
                 zone=time.tzname)
""",
}
ASKED: Sequence[tuple[str, dict[str, Any]]] = (
    ("ping", {"data": "pong"}),
    ("ping", {"data": "crash"}),
    ("ping", {"unknown": 1}),
    ("stat", {"path": "/etc/passwd", "get_mime": False}),
    ("command", {"_raw_params": "echo żółw", "_uses_shell": False}),
    ("command", {"_raw_params": "echo a >&2; exit 3", "_uses_shell": True}),
    ("slurp", {"src": "/etc/hostname"}),
    ("setup", {"gather_subset": ["!all", "!min", "distribution", "pkg_mgr"]}),
    ("systemd_service", {"name": "no-such-unit"}),
    ("apt", {"name": "no-such-package"}),
)


@functools.cache
def all_payloads() -> Mapping[str, bytes]:
    """Of ASKED by name and place, such as ping-0; of OWN by name, and see `with_arguments`."""
    asked = [*ASKED, *((name, {"path": "PATH", "other": "OTHER"}) for name in OWN)]
    with tempfile.TemporaryDirectory() as library:
        for name, text in OWN.items():
            (Path(library) / f"{name}.py").write_text(f"#!/usr/bin/python\n{HEAD}{text}\n")
        made = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("payloads.py")), library],
            input=json.dumps(asked).encode(),
            capture_output=True,
            check=True,
        )
    names = [f"{name}-{number}" for number, (name, _) in enumerate(ASKED)] + list(OWN)
    return dict(zip(names, map(base64.b64decode, made.stdout.split()), strict=True))


def with_arguments(payload: bytes, path: object, other: object = "") -> bytes:
    return payload.replace(b'"PATH"', f'"{path}"'.encode()).replace(
        b'"OTHER"', f'"{other}"'.encode()
    )
