"""A server whose door asks its client (but not for `restart`): `python stub_door.py
STATE_DIR`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio

from playrail.calls.answers import Answer, Meta
from playrail.calls.asking import Ask, Question, Said
from playrail.calls.caller import Caller
from playrail.errors import ApprovalRequired
from playrail.ledger.ledger import Ledger
from playrail.server.server import serve_stdio

if TYPE_CHECKING:
    from playrail.door.door import Playrail

PLAN = "plan-1"
ANOTHER = "plan-2"
TEXT = "Plan plan-1: write_file (WRITE) on web1"


class Stub:
    offered: Mapping[str, Any] = {}
    settings = SimpleNamespace(text="auto", output_schemas=False)
    secrets = SimpleNamespace(withheld=lambda text: text)

    def __init__(self, state: Path) -> None:
        self.ledger = Ledger(state / "ledger.sqlite")
        self._withdrawn = state / "withdrawn"

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        self.ledger.close()

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller,
        progress: object,
        ask: Ask,
        resume: str | None,
    ) -> Answer:
        del progress
        meta = Meta(request_id="r", run_id="run-1")
        if name == "restart":
            return Answer(meta=meta, data={}, runs=("run-1", "run-2"))
        question = Question(plan_id=arguments.get("about", PLAN), text=TEXT)
        try:
            said = await ask(question)
        except asyncio.CancelledError:
            self._withdrawn.touch()
            raise
        if said is Said.LATER:
            return Answer(
                meta=meta, problem=ApprovalRequired("Approve it.").problem, question=question
            )
        told = {
            "said": said.value,
            "name": name,
            "arguments": dict(arguments),
            "caller": caller.name,
            "resume": resume,
        }
        return Answer(meta=meta, data=told, runs=("run-1",) if said is Said.APPROVED else ())


if __name__ == "__main__":
    anyio.run(serve_stdio, lambda: cast("Playrail", Stub(Path(sys.argv[1]))))
