"""Asking the client whether a plan may be carried out: elicitation, in both protocol eras.

Up to 2025-11-25 the server sends the question and waits. From 2026-07-28 on it cannot: the
question is the result of the call, and the client calls again with what was said, and with
the plan's id as state. Nobody is trusted for that state: it only says which plan is meant,
and the door knows whose plan that is, and whether the question was sent. Each question has
one answer: after a no, or before any question, a yes counts for nothing.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from playrail.calls.asking import Ask, Question, Said
from playrail.server.messages import REFUSED

log = logging.getLogger(__name__)

KEY = "approval"  # of the one question in a result that asks
FORM: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "title": "Carry out this plan", "default": False}
    },
    "required": ["approve"],
}


def asking(
    context: ServerRequestContext[Any], params: types.CallToolRequestParams
) -> tuple[Ask, str | None]:
    """How the client of this call is asked; and when the call brings what was said, the
    plan that it was said of.
    """
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return _asking_now(context), None
    if params.request_state is None:
        return _asking_later(context.session), None
    said = (params.input_responses or {}).get(KEY)
    return _asked(context.session, params.request_state, said), params.request_state


def as_result(question: Question) -> types.InputRequiredResult:
    """The question as the result of the call that raised it."""
    return types.InputRequiredResult(
        input_requests={
            KEY: types.ElicitRequest(
                params=types.ElicitRequestFormParams(message=question.text, requested_schema=FORM)
            )
        },
        request_state=question.plan_id,
    )


def _asking_now(context: ServerRequestContext[Any]) -> Ask:
    async def ask(question: Question) -> Said:
        if not _can_be_asked(context.session):
            return Said.CANNOT
        try:
            result = await context.session.elicit_form(question.text, FORM, context.request_id)
        except ValidationError:
            return _unreadable(question)
        except MCPError as error:
            return (
                _unreadable(question)
                if error.error.message == REFUSED
                else _cannot(question, error)
            )
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            return _cannot(question, error)
        return _said(result)

    return ask


def _asking_later(session: ServerSession) -> Ask:
    async def ask(_: Question) -> Said:
        return Said.LATER if _can_be_asked(session) else Said.CANNOT

    return ask


def _asked(session: ServerSession, plan_id: str, response: types.InputResponse | None) -> Ask:
    """What was said counts for the plan that it was said about, if that was asked;
    otherwise it asks, or asks again.
    """
    later = _asking_later(session)

    async def ask(question: Question) -> Said:
        if (
            question.plan_id == plan_id
            and question.asked
            and isinstance(response, types.ElicitResult)
        ):
            return _said(response)
        return await later(question)

    return ask


def _unreadable(question: Question) -> Said:
    log.warning("the client's answer about %s is none", question.plan_id)
    return Said.UNREADABLE


def _cannot(question: Question, error: Exception) -> Said:
    log.warning(
        "the client could not be asked about %s: %s", question.plan_id, type(error).__name__
    )
    return Said.CANNOT


def _said(result: types.ElicitResult) -> Said:
    approved = result.action == "accept" and (result.content or {}).get("approve") is True
    return Said.APPROVED if approved else Said.DECLINED


def _can_be_asked(session: ServerSession) -> bool:
    """Whether the client shows forms; one that names no way of elicitation means forms."""
    declared = session.client_capabilities
    elicitation = declared.elicitation if declared is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
