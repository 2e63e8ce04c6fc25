"""Every error that Playrail reports, in one tree.

PlayrailError
├── SettingsInvalid       settings_invalid       the start stops, exit status 2
├── InvalidArgument       invalid_argument       the caller's arguments do not fit the tool
├── UnknownTool           unknown_tool
├── NotOffered            not_offered            there is the tool, and these settings leave it out
├── UnknownServer         unknown_server         no such host or group; the answer lists the names
├── ServerRequired        server_required        several hosts and no default: which one?
├── ServerMisconfigured   server_misconfigured   the host's own settings are wrong
├── NotOnMikrus           not_on_mikrus          the tool is for servers that the mikr.us API knows
├── InventoryInvalid      inventory_invalid      Ansible cannot read an inventory
├── Denied                denied                 policy said no
│   ├── WritesDisabled    writes_disabled        ENABLE_WRITE_OPERATIONS is off
│   ├── ClientCannotBeAsked client_cannot_be_asked the client has to approve, and cannot be asked
│   └── ApprovalRefused   approval_refused       who was asked said no
├── LimitReached          limit_reached          policy's limit of calls or changes in a time
├── TooManyHosts          too_many_hosts         policy's limit of hosts in one call
├── PlanRequired          plan_required          policy wants a plan first; the answer has it
│   └── ApprovalRequired  approval_required      and somebody has to approve it
├── UnknownPlan           unknown_plan           there is no such plan of this caller
├── PlanUnusable          plan_unusable          it was used, cancelled, rejected, or has expired
├── PlanOutdated          plan_outdated          what it was made for is not so any more
├── UnknownRun            unknown_run            there is no such run of this caller
├── NotUndoable           not_undoable           what a run did cannot be taken back
│   └── ChangedSince      changed_since          it could, but somebody changed it since
├── ExportFailed          export_failed          the selected calls cannot be written as a playbook
├── LedgerUnavailable     ledger_unavailable     nothing runs without its record
│   └── EndUnrecorded     end_unrecorded         it did run, and its end could not be recorded
├── Stopping              stopping               Playrail is being stopped and takes no more calls
├── AnsibleFailed         ansible_failed         Ansible itself did not run the play
│   └── CollectionMissing collection_missing     a module of the play is not installed here
├── ApiError              api_error              api.mikr.us did not do what it was asked
│   ├── ApiRejected       api_rejected           it said no; the error holds its own words
│   ├── ApiUnauthorized   api_unauthorized       it does not take the key for this server
│   ├── RateLimited       rate_limited           too many requests with this key
│   ├── PaceUnavailable   pace_unavailable       its pace of requests cannot be written down
│   ├── ApiUnavailable    api_unavailable        it is out of order for now (5xx)
│   ├── ApiNotJson        api_not_json           something else than JSON came, such as a web page
│   ├── ApiTruncated      api_truncated          the answer ended too early
│   ├── ApiUnexpected     api_unexpected         an answer that the API is not known to give
│   ├── ApiDnsFailed      api_dns_failed         its name has no address
│   ├── ApiConnectFailed  api_connect_failed     nobody took the connection
│   │   └── ApiConnectTimeout api_connect_timeout
│   ├── ApiReadTimeout    api_read_timeout       no answer came in time
│   ├── ApiConnectionLost api_connection_lost    the connection ended before the answer
│   └── ApiTlsFailed      api_tls_failed         its certificate or encryption is wrong
├── DeadlineExceeded      deadline_exceeded      a read that took too long
├── Cancelled             cancelled              the caller withdrew a read
└── OutcomeUnknown        outcome_unknown        a change that was cut short: done or not done

What goes wrong on one host is not an exception but a `Problem` in the answer (see
ansible/outcome/failures.py): the other hosts of the same call have their own outcome.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong: a stable `code`, one sentence, what to do next, and whether the same
    call may work later.
    """

    code: str
    error: str
    hint: str
    retryable: bool = False
    retry_after_s: int | None = None
    """Seconds after which it may; None when that is not known."""

    def told(self) -> dict[str, Any]:
        """The problem as JSON data."""
        return {
            name: value
            for name, value in vars(self).items()
            if name != "retry_after_s" or value is not None
        }


class PlayrailError(Exception):
    """The root. `code`, `hint` and `retryable` are the class's unless an instance says
    better.
    """

    code: ClassVar[str] = "internal"
    hint: ClassVar[str] = "This is a defect in Playrail; its log on standard error has the details."
    retryable: ClassVar[bool] = False

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
        self.problem = Problem(
            code=self.code,
            error=message,
            hint=hint or self.hint,
            retryable=self.retryable,
            retry_after_s=retry_after_s,
        )

    @classmethod
    def of(cls, problem: Problem, *, data: Mapping[str, Any] | None = None) -> Self:
        """The error that tells of this problem."""
        error = cls(problem.error, data=data)
        error.problem = problem
        return error


class SettingsInvalid(PlayrailError):
    code = "settings_invalid"
    hint = "Mend the setting and start again; `playrail doctor` checks all of them."


class InvalidArgument(PlayrailError):
    code = "invalid_argument"
    hint = "Mend the named arguments and call again; the tool's input schema has the rules."


class UnknownTool(PlayrailError):
    code = "unknown_tool"
    hint = "Call one of the tools that tools/list names."

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
        hint = f"{cls.hint} Like it: {', '.join(near)}." if near else None
        return cls(f"There is no tool named {name[:64]!r}.", hint=hint, data={"tools": list(tools)})


class NotOffered(PlayrailError):
    """There is such a tool, and nobody can call it with these settings."""

    code = "not_offered"
    hint = "Do not retry; call one of the tools that tools/list names."


class UnknownServer(PlayrailError):
    code = "unknown_server"
    hint = "Use one of the names listed in data.servers or data.groups; patterns are not accepted."


class ServerRequired(PlayrailError):
    code = "server_required"
    hint = "Pass `server` with one of the names listed in data.servers."


class ServerMisconfigured(PlayrailError):
    code = "server_misconfigured"
    hint = (
        "The operator has to mend this server's entry in the settings; other servers are not "
        "affected."
    )


class NotOnMikrus(PlayrailError):
    code = "not_on_mikrus"
    hint = (
        "Do not retry: this tool is for servers of mikr.us only; list_configured_servers tells "
        "which there are."
    )


class InventoryInvalid(PlayrailError):
    code = "inventory_invalid"
    hint = "The operator has to mend the inventory; `playrail inventory` shows what Ansible says."


class Denied(PlayrailError):
    """Policy said no; nothing reached a host."""

    code = "denied"
    hint = "Do not retry; ask the operator whether the policy should allow this."


class WritesDisabled(Denied):
    code = "writes_disabled"
    hint = (
        "Do not retry; the operator can allow changes by starting Playrail with "
        "ENABLE_WRITE_OPERATIONS=1."
    )


class ClientCannotBeAsked(Denied):
    code = "client_cannot_be_asked"
    hint = (
        "Do not retry with this client: it has no elicitation. Ask the operator for another "
        "rule in the policy."
    )


class ApprovalRefused(Denied):
    code = "approval_refused"
    hint = "Do not retry. Ask what is wanted instead; a new plan may be approved."


class LimitReached(PlayrailError):
    code = "limit_reached"
    hint = "Nothing was run. Call again after retry_after_s seconds."
    retryable = True


class TooManyHosts(PlayrailError):
    code = "too_many_hosts"
    hint = "Nothing was run. Call again with fewer servers at a time."


class PlanRequired(PlayrailError):
    """Nothing was changed: policy wants to see a plan first. data.plan is it."""

    code = "plan_required"
    hint = (
        "Nothing was changed. Look at data.plan; if it is what is wanted, call apply_plan with "
        "its plan_id."
    )


class ApprovalRequired(PlanRequired):
    code = "approval_required"
    hint = (
        "Nothing was changed. The operator has to run `playrail approve PLAN_ID`; tell them "
        "data.plan's plan_id. "
        "Then call apply_plan with it."
    )


class UnknownPlan(PlayrailError):
    code = "unknown_plan"
    hint = "list_plans has the plans that can be applied; make one with preview=true."


class PlanUnusable(PlayrailError):
    """It was used, cancelled or rejected, it has expired, or what it would need is gone."""

    code = "plan_unusable"
    hint = "Nothing was changed. Make a new plan with preview=true."


class PlanOutdated(PlayrailError):
    """What the plan was made for, or what it would do, is not the same any more. The error
    names what differs.
    """

    code = "plan_outdated"
    hint = "Nothing was changed. Make a new plan with preview=true and look at it again."


class UnknownRun(PlayrailError):
    code = "unknown_run"
    hint = "Use the run_id that the answer of a call has in _meta."


class NotUndoable(PlayrailError):
    code = "not_undoable"
    hint = (
        "Nothing was changed. The error says why; take it back with other tools, if that is "
        "what is wanted."
    )


class ChangedSince(NotUndoable):
    """To take it back would lose somebody's work."""

    code = "changed_since"
    hint = (
        "Nothing was changed. data.changed_since shows what the run left and what is there "
        "now; decide with a person."
    )


class ExportFailed(PlayrailError):
    code = "export_failed"
    hint = "Nothing was written. `playrail runs` lists what can be selected."


class LedgerUnavailable(PlayrailError):
    """The call could not be recorded, so it did not run."""

    code = "ledger_unavailable"
    hint = (
        "Nothing was run. The operator has to make the state directory writable and free disk "
        "space there."
    )
    retryable = True


class EndUnrecorded(LedgerUnavailable):
    code = "end_unrecorded"
    hint = (
        "It did run: data tells what came of it. The operator has to make the state directory "
        "writable again."
    )
    retryable = False


class Stopping(PlayrailError):
    code = "stopping"
    hint = "Nothing was run. Call again once Playrail has been started anew."
    retryable = True


class AnsibleFailed(PlayrailError):
    """Ansible ended before any host had an outcome, or broke off while it only read."""

    code = "ansible_failed"
    hint = "Do not retry; the message is Ansible's own, and the operator has to mend what it names."


class CollectionMissing(AnsibleFailed):
    code = "collection_missing"
    hint = (
        "The operator has to install the community collections beside Playrail: pip install "
        "'playrail[full]'."
    )


class ApiError(PlayrailError):
    """What came of a request to api.mikr.us. It is always one of those below."""

    code = "api_error"


class ApiRejected(ApiError):
    """The API said no. The message holds its own words."""

    code = "api_rejected"
    hint = "The error quotes the API; understand why it refused before you call again."


class ApiUnauthorized(ApiError):
    code = "api_unauthorized"
    hint = (
        "The operator has to check this server's `key` and `srv` in the settings: a key "
        "belongs to one server."
    )


class RateLimited(ApiError):
    code = "rate_limited"
    hint = (
        "Nothing was done. Call again after retry_after_s seconds; all calls for this server count."
    )
    retryable = True


class PaceUnavailable(ApiError):
    """The request could not be counted, so it was not sent."""

    code = "pace_unavailable"
    hint = (
        "Nothing was sent. The operator has to make the state directory writable and free disk "
        "space there."
    )
    retryable = True


class ApiUnavailable(ApiError):
    code = "api_unavailable"
    hint = "mikr.us has trouble; try again in some minutes."
    retryable = True


class ApiNotJson(ApiError):
    code = "api_not_json"
    hint = (
        "Most likely mikr.us shows a maintenance page, or `api_url` is wrong in the settings. "
        "Try again later."
    )
    retryable = True


class ApiTruncated(ApiError):
    code = "api_truncated"
    hint = "Try again; if it stays so, something on the way to mikr.us cuts its answers."
    retryable = True


class ApiUnexpected(ApiError):
    code = "api_unexpected"
    hint = (
        "The API may have changed, or `api_url` is wrong in the settings; the operator should look."
    )


class ApiDnsFailed(ApiError):
    code = "api_dns_failed"
    hint = (
        "Nothing was sent. The operator should check this machine's network and DNS, and "
        "`api_url` in the settings."
    )
    retryable = True


class ApiConnectFailed(ApiError):
    code = "api_connect_failed"
    hint = (
        "Nothing was sent. Try again later; the operator should check this machine's network "
        "and firewall."
    )
    retryable = True


class ApiConnectTimeout(ApiConnectFailed):
    code = "api_connect_timeout"


class ApiReadTimeout(ApiError):
    code = "api_read_timeout"
    hint = "mikr.us is slow; try again later."
    retryable = True


class ApiConnectionLost(ApiError):
    code = "api_connection_lost"
    hint = "Try again; if it stays so, mikr.us or the network has trouble."
    retryable = True


class ApiTlsFailed(ApiError):
    code = "api_tls_failed"
    hint = (
        "Nothing was sent. The operator should check this machine's clock and certificates, "
        "and any proxy."
    )


class DeadlineExceeded(PlayrailError):
    code = "deadline_exceeded"
    hint = (
        "Nothing was changed. Ask for less (a narrower path, fewer lines, fewer hosts) or try "
        "again later."
    )
    retryable = True


class Cancelled(PlayrailError):
    code = "cancelled"
    hint = "The caller cancelled this call; nothing was changed."
    retryable = True


class OutcomeUnknown(PlayrailError):
    """A change that was cut short. Retrying blindly could do it twice."""

    code = "outcome_unknown"
    hint = (
        "Look at the host's state with a read tool before you decide; do not simply repeat the "
        "call."
    )


def cut_short(
    message: str, *, changes: bool, otherwise: type[PlayrailError] = DeadlineExceeded
) -> PlayrailError:
    """The error for a call that did not come to its own end: what a change came to is not
    known.
    """
    return OutcomeUnknown(message) if changes else otherwise(message)
