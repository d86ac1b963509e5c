"""Arguments and results: from Python to JSON and back, checked by the handler's own signature."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import NotRequired, TypedDict

from .errors import DefinitionError, InvalidArguments

#: Bytes travel as base64 and NaN as a string, since JSON has neither; unknown arguments are refused.
_CONFIG = ConfigDict(
    extra="forbid", ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings"
)


class Arguments:
    """The arguments of one handler.  Immutable; safe to share between threads."""

    __slots__ = ("_adapter", "_dump", "_kind", "_positional", "_validate_json", "_validate_python")

    def __init__(self, kind: str, function: Callable[..., Any]) -> None:
        self._kind = kind
        parameters = _parameters(kind, function)
        self._positional = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        hints = _hints(kind, function)
        fields = {p.name: _field(hints.get(p.name, Any), p) for p in parameters}
        shape = TypedDict(f"{function.__name__}_arguments", fields)  # type: ignore[operator]
        shape.__pydantic_config__ = _CONFIG
        self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(shape)
        # bound once: the lookups cost as much as the validation of a small payload
        self._validate_python = self._adapter.validator.validate_python
        self._validate_json = self._adapter.validator.validate_json
        self._dump = self._adapter.serializer.to_json

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """A JSON object of the arguments by name.

        Raises:
            InvalidArguments: They do not fit the signature, or have no JSON form.
        """
        try:
            return self._dump(self._validate_python(self._by_name(args, kwargs) if args else kwargs))
        except ValidationError as error:
            raise InvalidArguments(self._kind, _faults(error)) from None
        except PydanticSerializationError as error:
            raise InvalidArguments(self._kind, {"arguments": str(error)}) from None

    def decode(self, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The handler's keyword arguments, from the `a` and `k` of an envelope.

        Raises:
            InvalidArguments: They do not fit the signature as it is today.
        """
        try:
            return self._validate_json(to_json(self._by_name(tuple(args), kwargs) if args else kwargs))  # type: ignore[no-any-return]
        except ValidationError as error:
            raise InvalidArguments(self._kind, _faults(error)) from None

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        return self._adapter.json_schema()

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if len(args) > len(self._positional):
            fault = f"{len(args)} positional arguments given, {len(self._positional)} taken"
            raise InvalidArguments(self._kind, {"arguments": fault})
        named = dict(zip(self._positional, args, strict=False))
        if twice := named.keys() & kwargs.keys():
            raise InvalidArguments(self._kind, dict.fromkeys(sorted(twice), "given twice"))
        return named | kwargs


class Result:
    """The result of one handler."""

    __slots__ = ("_adapter", "_returns_none")

    def __init__(self, kind: str, function: Callable[..., Any]) -> None:
        annotation = _hints(kind, function).get("return", Any)
        self._returns_none = annotation is type(None)
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def encode(self, value: Any) -> bytes:
        """The JSON form of what the handler returned.

        Raises:
            ValueError: It does not fit the return annotation, or has no JSON form.
        """
        if value is None and self._returns_none:
            return b"null"
        return self._adapter.dump_json(self._adapter.validate_python(value), by_alias=True)

    def decode(self, value: Any) -> Any:
        """What the handler returned, from its JSON form already read into plain Python."""
        return self._adapter.validate_json(to_json(value))


def _parameters(kind: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    context, *parameters = inspect.signature(function).parameters.values() or (None,)
    if context is None or context.kind is inspect.Parameter.KEYWORD_ONLY:
        raise DefinitionError(
            f"{kind}: the handler's first parameter must be the context: `async def handler(ctx, …)`"
        )
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise DefinitionError(f"{kind}: parameter {parameter} has no fixed name; name each argument")
    return parameters


def _hints(kind: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{kind}: {error}; the handler's annotations must be importable at module level"
        ) from None


def _field(annotation: Any, parameter: inspect.Parameter) -> Any:
    # a missing argument is left out of the envelope: the handler's default of the day applies when it runs
    return annotation if parameter.default is parameter.empty else NotRequired[annotation]


def _faults(error: ValidationError) -> dict[str, str]:
    return {
        ".".join(map(str, fault["loc"])) or "arguments": fault["msg"]
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    }
