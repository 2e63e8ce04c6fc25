"""An SSH library that answers over a pipe: `python asked_ssh.py asyncssh|paramiko kept|anew
ORDERS`.

Run with the contenders' interpreter, so it imports nothing of this package. ORDERS is JSON:
{"hosts": [{"address", "port", "user", "key", "known_hosts"}]}. Each line that it reads is
{"command", "stdin", "hosts"}, where `hosts` is how many of the hosts run it, all at once;
each line that it writes is {"failed": null or why}.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

Ask = Callable[[dict[str, Any]], None]


def asyncssh_asker(hosts: list[dict[str, Any]], *, kept: bool) -> Ask:
    asyncssh: Any = importlib.import_module("asyncssh")  # only the contenders' environment has it
    loop = asyncio.new_event_loop()
    connections: dict[int, Any] = {}

    async def connect(host: dict[str, Any]) -> Any:
        return await asyncssh.connect(
            host["address"],
            port=host["port"],
            username=host["user"],
            client_keys=[host["key"]],
            known_hosts=host["known_hosts"],
            config=None,
        )

    async def one(index: int, command: str, stdin: str) -> None:
        if kept:
            if index not in connections:
                connections[index] = await connect(hosts[index])
            await connections[index].run(command, input=stdin, check=True)
        else:
            async with await connect(hosts[index]) as connection:
                await connection.run(command, input=stdin, check=True)

    async def all_of(asked: dict[str, Any]) -> None:
        await asyncio.gather(
            *(one(index, asked["command"], asked["stdin"]) for index in range(asked["hosts"]))
        )

    return lambda asked: loop.run_until_complete(all_of(asked))


def paramiko_asker(hosts: list[dict[str, Any]], *, kept: bool) -> Ask:
    paramiko: Any = importlib.import_module("paramiko")
    host, client = hosts[0], paramiko.SSHClient()
    client.load_host_keys(host["known_hosts"])

    def ask(asked: dict[str, Any]) -> None:
        if not kept or client.get_transport() is None:
            client.connect(
                host["address"],
                port=host["port"],
                username=host["user"],
                key_filename=host["key"],
                allow_agent=False,
                look_for_keys=False,
            )
        stdin, stdout, _ = client.exec_command(asked["command"])
        stdin.write(asked["stdin"])
        stdin.channel.shutdown_write()
        stdout.read()
        if (status := stdout.channel.recv_exit_status()) != 0:
            raise OSError(f"exit status {status}")

    return ask


def main(library: str, manner: str, orders: str) -> None:
    """Answers until standard input ends."""
    maker = {"asyncssh": asyncssh_asker, "paramiko": paramiko_asker}[library]
    ask = maker(json.loads(orders)["hosts"], kept=manner == "kept")
    for line in sys.stdin:
        failed = None
        try:
            ask(json.loads(line))
        # whatever it is, it is told and the next line is answered
        except Exception as error:  # noqa: BLE001
            failed = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps({"failed": failed}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
