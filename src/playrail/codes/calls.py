"""Calls, plans and settings: Playrail itself did not do what was asked."""

from __future__ import annotations

from playrail.codes.code import Code

INTERNAL = Code(
    "internal",
    "Playrail failed in an unexpected way.",
    "This is a defect in Playrail; its log on standard error has the details.",
)
SETTINGS_INVALID = Code(
    "settings_invalid",
    "A setting is wrong; the start stops with exit status 2.",
    "Mend the setting and start again; `playrail doctor` checks all of them.",
)
INVALID_ARGUMENT = Code(
    "invalid_argument",
    "The arguments do not fit the tool.",
    "Mend the named arguments and call again; the tool's input schema has the rules.",
)
UNKNOWN_TOOL = Code(
    "unknown_tool",
    "There is no such tool.",
    "Call one of the tools that tools/list names.",
)
NOT_OFFERED = Code(
    "not_offered",
    "There is such a tool, and these settings leave it out; the answer says why.",
    "Do not retry; call one of the tools that tools/list names.",
)
UNKNOWN_SERVER = Code(
    "unknown_server",
    "There is no such host or group; the answer lists those that there are.",
    "Use one of the names listed in data.servers or data.groups; patterns are not accepted.",
)
SERVER_REQUIRED = Code(
    "server_required",
    "There are several hosts and no default, and none was named.",
    "Pass `server` with one of the names listed in data.servers.",
)
SERVER_MISCONFIGURED = Code(
    "server_misconfigured",
    "What the settings or the inventory say of this host is wrong.",
    "Do not retry; the operator has to mend what the settings or the inventory say of this "
    "server. Other servers are not affected.",
)
NOT_ON_MIKRUS = Code(
    "not_on_mikrus",
    "The tool is for servers that the mikr.us API knows.",
    "Do not retry: this tool is for servers of mikr.us only; list_configured_servers tells "
    "which there are.",
)
INVENTORY_INVALID = Code(
    "inventory_invalid",
    "Ansible cannot read an inventory.",
    "The operator has to mend the inventory; `playrail inventory` shows what Ansible says.",
)
DENIED = Code(
    "denied",
    "The policy said no; nothing reached a host.",
    "Do not retry; ask the operator whether the policy should allow this.",
)
WRITES_DISABLED = Code(
    "writes_disabled",
    "The call would change something, and changes are switched off.",
    "Do not retry; the operator can allow changes by starting Playrail with "
    "ENABLE_WRITE_OPERATIONS=1.",
)
CLIENT_CANNOT_BE_ASKED = Code(
    "client_cannot_be_asked",
    "The client has to approve the plan, and cannot be asked.",
    "Do not retry with this client: it has no elicitation. Ask the operator for another rule "
    "in the policy.",
)
APPROVAL_REFUSED = Code(
    "approval_refused",
    "Who was asked for approval said no.",
    "Do not retry. Ask what is wanted instead; a new plan may be approved.",
)
LIMIT_REACHED = Code(
    "limit_reached",
    "The policy's limit of calls or changes in a time is reached.",
    "Nothing was run. Call again after retry_after_s seconds.",
    retryable=True,
)
TOO_MANY_HOSTS = Code(
    "too_many_hosts",
    "The call means more hosts than the policy allows at once.",
    "Nothing was run. Call again with fewer servers at a time.",
)
PLAN_REQUIRED = Code(
    "plan_required",
    "The policy wants a plan first; the answer has it.",
    "Nothing was changed. Look at data.plan; if it is what is wanted, call apply_plan with its "
    "plan_id.",
)
APPROVAL_REQUIRED = Code(
    "approval_required",
    "The policy wants a plan that somebody has approved.",
    "Nothing was changed. The operator has to run `playrail approve PLAN_ID`; tell them "
    "data.plan's plan_id. Then call apply_plan with it.",
)
UNKNOWN_PLAN = Code(
    "unknown_plan",
    "This caller has no such plan.",
    "list_plans has the plans that can be applied; make one with preview=true.",
)
PLAN_UNUSABLE = Code(
    "plan_unusable",
    "The plan was used, cancelled or rejected, it has expired, or what it would need is gone.",
    "Nothing was changed. Make a new plan with preview=true.",
)
PLAN_OUTDATED = Code(
    "plan_outdated",
    "What the plan was made for, or what it would do, is not the same any more.",
    "Nothing was changed. Make a new plan with preview=true and look at it again.",
)
UNKNOWN_RUN = Code(
    "unknown_run",
    "This caller has no such run.",
    "Use the run_id that the answer of a call has in _meta.",
)
NOT_UNDOABLE = Code(
    "not_undoable",
    "What a run did cannot be taken back.",
    "Nothing was changed. The error says why; take it back with other tools, if that is what "
    "is wanted.",
)
CHANGED_SINCE = Code(
    "changed_since",
    "To take it back would lose what somebody changed since.",
    "Nothing was changed. data.changed_since shows what the run left and what is there now; "
    "decide with a person.",
)
EXPORT_FAILED = Code(
    "export_failed",
    "The selected calls cannot be written as a playbook.",
    "Nothing was written. `playrail runs` lists what can be selected.",
)
LEDGER_UNAVAILABLE = Code(
    "ledger_unavailable",
    "The call could not be recorded, so it did not run.",
    "Nothing was run. The operator has to make the state directory writable and free disk "
    "space there.",
    retryable=True,
)
END_UNRECORDED = Code(
    "end_unrecorded",
    "The call did run, and its end could not be recorded.",
    "It did run: data tells what came of it. The operator has to make the state directory "
    "writable again.",
)
STOPPING = Code(
    "stopping",
    "Playrail is being stopped and takes no more calls.",
    "Nothing was run. Call again once Playrail has been started anew.",
    retryable=True,
)
DEADLINE_EXCEEDED = Code(
    "deadline_exceeded",
    "A read took too long.",
    "Nothing was changed. Ask for less (a narrower path, fewer lines, fewer hosts) or try "
    "again later.",
    retryable=True,
)
CANCELLED = Code(
    "cancelled",
    "The caller withdrew a read.",
    "The caller cancelled this call; nothing was changed.",
    retryable=True,
)
OUTCOME_UNKNOWN = Code(
    "outcome_unknown",
    "A change was cut short: it may be done or not.",
    "Look at the host's state with a read tool before you decide; do not simply repeat the call.",
)
SOME_HOSTS_FAILED = Code(
    "some_hosts_failed",
    "Some of the call's hosts failed, or all did in different ways; data.failed tells how.",
    "See data.failed for each host's error and hint; data.hosts has what the others reported. "
    "Call again, if at all, with `server` set to those that failed.",
)
ANSIBLE_FAILED = Code(
    "ansible_failed",
    "Ansible ended before any host had an outcome, or broke off while it only read.",
    "Do not retry; the message is Ansible's own, and the operator has to mend what it names.",
)
COLLECTION_MISSING = Code(
    "collection_missing",
    "A module that the play needs is not installed where Playrail runs.",
    "The operator has to install Ansible's community collections where Playrail is: the package "
    "`ansible`, which Playrail's extra `full` brings.",
)
NO_REPORT = Code(
    "no_report",
    "Ansible ended without an outcome for this host.",
    "Look at the host's state before you call again; the operator can run the playbook by hand "
    "to see why.",
)
UNEXPECTED_REPORT = Code(
    "unexpected_report",
    "The play ran, but its report has not the expected shape.",
    "What ran is done; look at the host's state. This is a defect in Playrail or in the playbook.",
)
