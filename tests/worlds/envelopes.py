"""The one shape of every answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

USUAL = {
    "cached": False,
    "retry_safe": True,
    "truncated": False,
    "remote_text": False,
    "secrets_hidden": False,
}
WAYS = {"api", "cold", "cold+kept", "warm", "warm+kept", "quick", "quick+kept"}


def assert_envelope(told: Mapping[str, Any]) -> None:
    """Every answer's shape: exactly these keys, of these types, and JSON through and
    through.
    """
    assert json.loads(json.dumps(told)) == told
    meta = told["_meta"]
    assert isinstance(meta["request_id"], str)
    assert type(meta["duration_ms"]) is int
    assert isinstance(meta.get("run_id", ""), str)
    if (way := meta.get("way")) is not None:
        assert set(way.values() if isinstance(way, dict) else [way]) <= WAYS
    unusual = {
        key: value
        for key, value in meta.items()
        if key not in {"request_id", "duration_ms", "run_id", "way"}
    }
    assert [key for key, value in unusual.items() if value is not (not USUAL[key])] == []
    if told["success"] is True:
        assert set(told) - {"data"} == {"success", "_meta"}
        return
    assert told["success"] is False
    assert set(told) - {"data", "retry_after_s"} == {
        "success",
        "error",
        "code",
        "hint",
        "retryable",
        "_meta",
    }
    assert type(told["retryable"]) is bool
    assert told["code"] == told["code"].lower()
    assert told["code"].isidentifier()
    assert all(
        isinstance(told[key], str) and told[key].strip() for key in ("error", "code", "hint")
    )
    assert "\n" not in told["error"]
