"""Every error that Playrail reports, in one tree; what each code means is told in codes/.

What goes wrong on one host is not an exception but a `Problem` in the answer (see
ansible/outcome/failures.py): the other hosts of the same call have their own outcome.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from playrail.codes import api, calls
from playrail.codes.code import Code


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong: a stable `code`, one sentence, what to do next, and whether the same
    call may work later.
    """

    # For reports that carry one: pydantic knows no rule for a Code but that it is one.
    __pydantic_config__: ClassVar = {"arbitrary_types_allowed": True}

    code: Code
    error: str
    hint: str
    retryable: bool = False
    retry_after_s: int | None = None
    """Seconds after which it may; None when that is not known."""

    @classmethod
    def of(
        cls,
        code: Code,
        error: str | None = None,
        *,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after_s: int | None = None,
    ) -> Self:
        """The problem of this code, with the code's own words where no better ones are given."""
        return cls(
            code=code,
            error=error or code.meaning,
            hint=hint or code.hint,
            retryable=code.retryable if retryable is None else retryable,
            retry_after_s=retry_after_s,
        )

    def told(self) -> dict[str, Any]:
        """The problem as JSON data."""
        data = {**vars(self), "code": str(self.code)}
        if self.retry_after_s is None:
            del data["retry_after_s"]
        return data


class PlayrailError(Exception):
    """The root. An instance may give a better hint than its code has."""

    code: ClassVar[Code] = calls.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        data: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.data = data
        self.problem = Problem.of(self.code, message, hint=hint, retry_after_s=retry_after_s)

    @classmethod
    def of(cls, problem: Problem, *, data: Mapping[str, Any] | None = None) -> Self:
        """The error that tells of this problem."""
        error = cls(problem.error, data=data)
        error.problem = problem
        return error


class SettingsInvalid(PlayrailError):
    code = calls.SETTINGS_INVALID


class InvalidArgument(PlayrailError):
    code = calls.INVALID_ARGUMENT


class UnknownTool(PlayrailError):
    code = calls.UNKNOWN_TOOL

    @classmethod
    def named(cls, name: str, tools: Collection[str]) -> Self:
        """Names what is like it: some clients put their own words in front of a tool's
        name.
        """
        own = name.casefold().replace("-", "_")
        found = [
            tool for tool in tools if own == tool or re.search(rf"[^a-z]{tool}$|__{tool}$", own)
        ]
        near = found or difflib.get_close_matches(own, tools, n=2, cutoff=0.75)
        hint = f"{cls.code.hint} Like it: {', '.join(near)}." if near else None
        return cls(f"There is no tool named {name[:64]!r}.", hint=hint, data={"tools": list(tools)})


class NotOffered(PlayrailError):
    """There is such a tool, and nobody can call it with these settings."""

    code = calls.NOT_OFFERED


class UnknownServer(PlayrailError):
    code = calls.UNKNOWN_SERVER


class ServerRequired(PlayrailError):
    code = calls.SERVER_REQUIRED


class ServerMisconfigured(PlayrailError):
    code = calls.SERVER_MISCONFIGURED


class NotOnMikrus(PlayrailError):
    code = calls.NOT_ON_MIKRUS


class InventoryInvalid(PlayrailError):
    code = calls.INVENTORY_INVALID


class Denied(PlayrailError):
    """Policy said no; nothing reached a host."""

    code = calls.DENIED


class WritesDisabled(Denied):
    code = calls.WRITES_DISABLED


class ClientCannotBeAsked(Denied):
    code = calls.CLIENT_CANNOT_BE_ASKED


class ApprovalRefused(Denied):
    code = calls.APPROVAL_REFUSED


class LimitReached(PlayrailError):
    code = calls.LIMIT_REACHED


class TooManyHosts(PlayrailError):
    code = calls.TOO_MANY_HOSTS


class PlanRequired(PlayrailError):
    """Nothing was changed: policy wants to see a plan first. data.plan is it."""

    code = calls.PLAN_REQUIRED


class ApprovalRequired(PlanRequired):
    code = calls.APPROVAL_REQUIRED


class UnknownPlan(PlayrailError):
    code = calls.UNKNOWN_PLAN


class PlanUnusable(PlayrailError):
    """It was used, cancelled or rejected, it has expired, or what it would need is gone."""

    code = calls.PLAN_UNUSABLE


class PlanOutdated(PlayrailError):
    """What the plan was made for, or what it would do, is not the same any more. The error
    names what differs.
    """

    code = calls.PLAN_OUTDATED


class UnknownRun(PlayrailError):
    code = calls.UNKNOWN_RUN


class NotUndoable(PlayrailError):
    code = calls.NOT_UNDOABLE


class ChangedSince(NotUndoable):
    """To take it back would lose somebody's work."""

    code = calls.CHANGED_SINCE


class ExportFailed(PlayrailError):
    code = calls.EXPORT_FAILED


class LedgerUnavailable(PlayrailError):
    """The ledger cannot be read or written; a call that cannot be recorded does not run."""

    code = calls.LEDGER_UNAVAILABLE


class EndUnrecorded(LedgerUnavailable):
    code = calls.END_UNRECORDED


class Stopping(PlayrailError):
    code = calls.STOPPING


class AnsibleFailed(PlayrailError):
    """Ansible ended before any host had an outcome, or broke off while it only read."""

    code = calls.ANSIBLE_FAILED


class CollectionMissing(AnsibleFailed):
    code = calls.COLLECTION_MISSING


class ApiError(PlayrailError):
    """What came of a request to api.mikr.us. It is always one of those below."""

    code = api.API_ERROR


class ApiRejected(ApiError):
    """The API said no. The message holds its own words."""

    code = api.API_REJECTED


class ApiUnauthorized(ApiError):
    code = api.API_UNAUTHORIZED


class RateLimited(ApiError):
    code = api.RATE_LIMITED


class PaceUnavailable(ApiError):
    """The request could not be counted, so it was not sent."""

    code = api.PACE_UNAVAILABLE


class ApiUnavailable(ApiError):
    code = api.API_UNAVAILABLE


class ApiNotJson(ApiError):
    code = api.API_NOT_JSON


class ApiTruncated(ApiError):
    code = api.API_TRUNCATED


class ApiUnexpected(ApiError):
    code = api.API_UNEXPECTED


class ApiDnsFailed(ApiError):
    code = api.API_DNS_FAILED


class ApiConnectFailed(ApiError):
    code = api.API_CONNECT_FAILED


class ApiConnectTimeout(ApiConnectFailed):
    code = api.API_CONNECT_TIMEOUT


class ApiReadTimeout(ApiError):
    code = api.API_READ_TIMEOUT


class ApiConnectionLost(ApiError):
    code = api.API_CONNECTION_LOST


class ApiTlsFailed(ApiError):
    code = api.API_TLS_FAILED


class DeadlineExceeded(PlayrailError):
    code = calls.DEADLINE_EXCEEDED


class Cancelled(PlayrailError):
    code = calls.CANCELLED


class OutcomeUnknown(PlayrailError):
    """A change that was cut short. Retrying blindly could do it twice."""

    code = calls.OUTCOME_UNKNOWN


def cut_short(
    message: str, *, changes: bool, otherwise: type[PlayrailError] = DeadlineExceeded
) -> PlayrailError:
    """The error for a call that did not come to its own end: what a change came to is not
    known.
    """
    return OutcomeUnknown(message) if changes else otherwise(message)
