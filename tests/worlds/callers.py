"""Callers that tests call as."""

from __future__ import annotations

from playrail.calls.caller import CLI, Caller

ANN, BOB = (Caller(name=name, way="stdio") for name in ("ann", "bob"))

__all__ = ["ANN", "BOB", "CLI"]
