"""The targets: which figures are set against each other, and what the ratio must and should
be.
"""

from __future__ import annotations

from collections.abc import Callable

from .cases import CASES, CHANGED, MEMORY, SERVICE, UPTIME
from .contenders import ASYNCSSH_ANEW, SSH, STOCK
from .mcp_client import COLD, PEER, WARM
from .table import Results, Target

INITIALIZED = "start to `initialize` answered"
ANSWERED = "start to first tool answered"
ONE_CLIENT, EIGHT_CLIENTS = "1 client", "8 clients at once"
CALL = "time per call of many `uptime`"
ANSIBLE = "ansible -f 50"
MOST_HOSTS = 50
IDLE, AFTER_100, AFTER_1000 = "idle", "after 100 calls", "after 1,000 calls"


def on_hosts(count: int) -> str:
    """The name of what the fan-out does."""
    return f"uptime on {count} host{'s' if count > 1 else ''}"


def targets() -> list[Target]:
    """All lines, in the order of the issue that set them."""
    return [
        *(_against(case.name, STOCK, 1 / 25, 1 / 50) for case in CASES if case.one_module),
        *(_against(case.name, SSH, 5, 2.5, other=UPTIME) for case in CASES if case.one_module),
        *(_against(name, PEER, 2, 1) for name in (MEMORY, SERVICE)),
        *(_against(case.name, STOCK, 1 / 8, 1 / 15) for case in CASES if not case.one_module),
        _against(CHANGED, ASYNCSSH_ANEW, 1.2, 0.7),
        *(_spread(case.name) for case in CASES),
        Target(
            title="8 clients at once, calls/s against 1 client",
            value=_throughput,
            must=1.5,
            aim=1.9,
            greater=True,
        ),
        _against(on_hosts(MOST_HOSTS), ANSIBLE, 0.6, 0.3),
        Target(title="idle memory, PSS", value=_mib(IDLE), must=250, aim=150, unit="MiB"),
        Target(
            title="memory after 1,000 calls against after 100, PSS",
            value=_growth,
            must=1.05,
            aim=1.02,
        ),
        Target(
            title="`initialize` answered after",
            value=_median(INITIALIZED),
            must=1.0,
            aim=0.5,
            unit="s",
        ),
        # Not later than cold; a tenth is what medians of a few starts differ by on a shared
        # machine.
        _against(INITIALIZED, COLD, 1.1, 1.0),
        _against(ANSWERED, COLD, 1.1, 1.0),
    ]


def _against(
    done: str, contender: str, must: float, aim: float, *, other: str | None = None
) -> Target:
    """Warm p50 of `done` against the contender's of the same, or of `other`."""

    def ratio(results: Results) -> float:
        return results.p50(done, WARM) / results.p50(other or done, contender)

    against = contender if other is None or other == done else f"{contender}, uptime"
    return Target(title=f"{done}, against {against}", value=ratio, must=must, aim=aim)


def _spread(done: str) -> Target:
    def ratio(results: Results) -> float:
        return results.p95(done, WARM) / results.p50(done, WARM)

    return Target(title=f"{done}, p95 against p50", value=ratio, must=2, aim=1.5)


def _throughput(results: Results) -> float:
    return results.p50(CALL, ONE_CLIENT) / results.p50(CALL, EIGHT_CLIENTS)


def _growth(results: Results) -> float:
    return results.mib(AFTER_1000, "pss") / results.mib(AFTER_100, "pss")


def _mib(moment: str) -> Callable[[Results], float]:
    return lambda results: results.mib(moment, "pss")


def _median(done: str) -> Callable[[Results], float]:
    return lambda results: results.p50(done, WARM)
