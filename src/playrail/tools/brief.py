"""Data that tells only what is the case."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
)

T = TypeVar("T")
OnlyFalse = Annotated[bool | None, BeforeValidator(lambda value: value and None)]
"""A fact that goes without saying: it is told where it is not so."""
NotEmpty = Annotated[T | None, BeforeValidator(lambda value: value or None)]
"""What is told unless it is zero or has nothing in it."""


class Brief(BaseModel):
    """Data without what is so nearly always: fields that have their default, most often null."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _what_is_so(  # type: ignore[no-untyped-def]  # noqa: ANN202
        self, told: SerializerFunctionWrapHandler
    ):
        # With a return type, that would be the schema in place of the fields
        fields = type(self).model_fields
        return {
            name: value
            for name, value in told(self).items()
            if name not in fields or value != fields[name].get_default(call_default_factory=True)
        }
