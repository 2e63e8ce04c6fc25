"""The first part of `make demo`: mikr.us tools, against the simulator that the tests use."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # it is run as a file

from mikrus.execute import on_this_machine
from mikrus.simulator import KEY, SRV, Simulator, running
from playrail.demo.looks import Step, show
from playrail.demo.page import Page
from playrail.demo.server import environment
from playrail.ledger.ledger import Ledger
from playrail.settings.settings import Settings

STEPS = (
    Step(
        why="Which servers are there?",
        tool="list_configured_servers",
        arguments={},
        on_hosts=False,
        tells=lambda data: f"{data['total_count']}: {data['default_server']}",
    ),
    Step(
        why="What does mikr.us say of it?",
        tool="get_server_info",
        arguments={},
        plays=False,
        tells=lambda report: f"paid until {str(report['expires'])[:10]}",
    ),
    Step(
        why="What was done to it last?",
        tool="get_logs",
        arguments={},
        plays=False,
        tells=lambda report: f"{len(report['logs'])} tasks",
    ),
    Step(
        why="A name on the web for its port",
        tool="assign_domain",
        arguments={"port": 20230, "domain": "-"},
        plays=False,
        tells=lambda report: str(report["domain"]),
    ),
    Step(
        why="A log that is another endpoint",
        tool="get_log_by_id",
        arguments={"id": "../restart"},
        code="invalid_argument",
        plays=False,
    ),
    Step(
        why="An Ansible play, by way of /exec",
        tool="get_memory_info",
        arguments={},
        tells=lambda report: f"{report['used_percent']} % used",
    ),
    Step(
        why="The same for a program",
        tool="execute_command",
        arguments={"cmd": "uname -sr"},
        tells=lambda report: str(report["stdout"]),
    ),
)


async def demonstrate(*, verbose: bool) -> bool:
    simulator = Simulator(execute=on_this_machine())
    with running(simulator) as url, tempfile.TemporaryDirectory(prefix="playrail-demo-") as name:
        scratch = Path(name)
        # What is kept on a server for the next call is kept here: nothing may be left on
        # this machine.
        variables = {"ansible_mikrus_remote_dir": f"{scratch}/kept"}
        (scratch / "hosts.yml").write_text(
            json.dumps({"all": {"hosts": {"vps": variables}}}), encoding="utf-8"
        )
        server = {"type": "mikrus", "srv": SRV, "key": KEY, "api_url": url}
        child = environment(os.environ, scratch) | {
            "MCP_SERVERS": json.dumps({"vps": server}),
            "PLAYRAIL_INVENTORY": f"{scratch}/hosts.yml",
            "ENABLE_WRITE_OPERATIONS": "1",
            "PLAYRAIL_MIKRUS_RATE": "60/60",
        }
        page = Page(verbose=verbose)
        page.head(f"mikr.us, by a SIMULATOR of its API at {url}; nothing is sent to mikr.us")
        ledger = Ledger(Settings.load(child, dotenv=None).state_dir / "ledger.sqlite")
        with closing(ledger):
            await show(child, scratch, STEPS, ledger, page)
    if verbose:
        came = dict.fromkeys(request.endpoint for request in simulator.requests)
        requests = ", ".join(f"{endpoint} {len(simulator.came(endpoint))}" for endpoint in came)
        sys.stdout.write(f"Requests that came to the simulator: {requests}\n")
    return page.right


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(demonstrate(verbose="--verbose" in sys.argv)) else 1)
