"""The second part of `make demo`: mikr.us tools, against the simulator that the tests use."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mikrus.execute import on_this_machine
from mikrus.simulator import KEY, SRV, Simulator, running
from playrail.demo import Step, environment, show
from playrail.ledger.ledger import Ledger
from playrail.settings import Settings

STEPS = (
    Step(why="Which servers are there?", tool="list_configured_servers", arguments={}, on_hosts=False),
    Step(why="What does mikr.us say of it?", tool="get_server_info", arguments={}, plays=False),
    Step(why="How does it do?", tool="get_server_stats", arguments={}, plays=False),
    Step(why="What was done to it last?", tool="get_logs", arguments={}, plays=False),
    Step(
        why="A name on the web for its port.",
        tool="assign_domain",
        arguments={"port": 20230, "domain": "-"},
        plays=False,
    ),
    Step(
        why="A log that is really another endpoint is refused before anything is sent.",
        tool="get_log_by_id",
        arguments={"id": "../restart"},
        code="invalid_argument",
        plays=False,
    ),
    Step(
        why="A system tool: an Ansible play, whose way to the server is the API's /exec.",
        tool="get_memory_info",
        arguments={},
    ),
    Step(why="The same for a program.", tool="execute_command", arguments={"cmd": "uname -sr"}),
)


async def demonstrate() -> bool:
    simulator = Simulator(execute=on_this_machine())
    with running(simulator) as url, tempfile.TemporaryDirectory(prefix="playrail-demo-") as name:
        scratch = Path(name)
        # What is kept on a server for the next call is kept here: nothing may be left on this machine.
        variables = {"ansible_mikrus_remote_dir": f"{scratch}/kept"}
        (scratch / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"vps": variables}}}), encoding="utf-8")
        server = {"type": "mikrus", "srv": SRV, "key": KEY, "api_url": url}
        child = environment(os.environ, scratch) | {
            "MCP_SERVERS": json.dumps({"vps": server}),
            "PLAYRAIL_INVENTORY": f"{scratch}/hosts.yml",
            "ENABLE_WRITE_OPERATIONS": "1",
            "PLAYRAIL_MIKRUS_RATE": "60/60",
        }
        sys.stdout.write(
            f"\nThe second part: mikr.us. What answers is a SIMULATOR of its API at {url}, with an invented key;\n"
            "its /exec runs the commands on this machine. Nothing is sent to mikr.us.\n"
        )
        ledger = Ledger(Settings.load(child, dotenv=None).state_dir / "ledger.sqlite")
        right = await show(child, scratch, STEPS, ledger)
    requests = ", ".join(
        f"{endpoint} {len(simulator.came(endpoint))}"
        for endpoint in dict.fromkeys(r.endpoint for r in simulator.requests)
    )
    sys.stdout.write(f"\nRequests that came to the simulator: {requests}\n")
    sys.stdout.write("✓ Everything was as it should be.\n" if right else "✗ Something was not as it should be.\n")
    return right


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(demonstrate()) else 1)
