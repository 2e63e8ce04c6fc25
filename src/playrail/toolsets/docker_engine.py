"""What the tools for Docker share: which container, which engine, and why there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from playrail.codes import files, work
from playrail.codes.code import Code
from playrail.codes.every import named
from playrail.errors import Problem
from playrail.tools.tool import Report
from playrail.tools.troubled import OrTrouble

ContainerName = Annotated[
    str,
    Field(
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$",
        description="A container's name or id.",
        examples=["web"],
    ),
]

# The sentences for what Docker said, which stands in {0}; other codes have their own.
WORDS: Mapping[Code, str] = {
    work.DOCKER_UNAVAILABLE: "Docker is installed on this host but does not answer: {0}",
    work.PODMAN_SILENT: (
        "Podman is installed on this host, but {0}, so its containers cannot be listed."
    ),
    work.LOG_NOT_KEPT: (
        "Docker keeps nothing of what this container writes: its log driver is {0}."
    ),
    work.DOCKER_FAILED: "Docker could not do it: {0}",
    work.CONTAINER_NOT_RUNNING: "There is nothing to measure: {0}.",
    work.NO_DOCKER: "Docker is not installed on this host.",
    work.CONTAINER_NOT_FOUND: work.CONTAINER_NOT_FOUND.meaning,
    files.PERMISSION_DENIED: (
        "The user that Playrail logs in as may not talk to Docker on this host."
    ),
}
# Here the operator can do more than the code's own hint says.
GROUP_DOCKER = "The operator can add that user to the group docker, or set become for this host."


class OtherEngine(Report):
    socket: str = Field(description="What to pass as `engine` to ask it.")
    why: str | None = Field(default=None, description="Why it did not answer, where it was tried.")


class OfDocker(OrTrouble):
    """What Docker told, or why it told nothing: then all is null."""

    engine: str | None = Field(
        default=None, description="The socket that was asked, where it is not the usual one."
    )
    other_engines: list[OtherEngine] | None = Field(
        default=None,
        description=(
            "Other engines on this host, such as users' own, whose containers are not told here."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _why(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            raise ValueError("is no answer of Docker")  # pydantic's way to refuse
        code = named(str(raw.get("playrail_code")))
        if code not in WORDS:
            return {key: value for key, value in raw.items() if key != "trouble"}
        hint = GROUP_DOCKER if code == files.PERMISSION_DENIED else None
        problem = Problem.of(code, WORDS[code].format(raw.get("docker")), hint=hint)
        return cls.without_all(problem)


EngineSocket = Annotated[
    str,
    Field(
        pattern=r"^/(?:var/)?run/[A-Za-z0-9/._-]{1,100}$",
        description="Another engine: a socket of `other_engines`.",
        examples=["/run/user/1000/docker.sock"],
    ),
]
