"""A run's process ends in order while the thread that watches its lifeline still waits, and
with it when it closes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCHING = """
import sys, threading, time
from playrail.ansible.run import child

watch = (sys.argv[1], lambda: print("ended", flush=True), 0)
threading.Thread(target=child._watch_lifeline, args=watch, daemon=True).start()
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize(("closes", "expected"), [(False, (0, "", "")), (True, (1, "ended\n", ""))])
def test_the_lifeline(tmp_path: Path, expected: tuple[int, str, str], *, closes: bool) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-c", WATCHING, str(tmp_path / "place"), "20" if closes else "0.2"]
    with subprocess.Popen(
        command, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(reading)
        os.write(writing, b"what comes on it does not matter")
        if closes:
            os.close(writing)
        out, err = process.communicate(timeout=15)
        if not closes:
            os.close(writing)

    assert (process.returncode, out, err) == expected
