"""The README's first example, typed as it stands there, on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from worlds.checkout import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_first_example_is_as_it_says(tmp_path: Path) -> None:
    block = next(
        found
        for found in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
        if "playrail call" in found
    )
    typed = [
        command
        for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE)
        if not command.startswith("export")
    ]
    (tmp_path / "state").mkdir(mode=0o700)
    environ = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PLAYRAIL_STATE_DIR": str(tmp_path / "state"),
        "PLAYRAIL_RUNTIME_DIR": str(tmp_path / "run"),
    }

    def run(command: str) -> str:
        here = command.replace("/tmp/greeting", f"{tmp_path}/greeting")
        return subprocess.run(
            ["bash", "-c", here],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        ).stdout

    refused, done, verified = map(run, typed)
    told = json.loads(refused)
    for key in ("code", "error", "hint"):
        assert json.dumps(told[key]) in block
    assert json.loads(done)["success"]
    assert (tmp_path / "greeting").read_text() == "hello"
    records = re.search(r"(\d+ records, the chain holds)", block)
    assert records is not None
    assert verified.endswith(f"{records[1]}\n")
