"""Arguments and results: from Python to JSON and back, checked by the handler's own signature."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import PydanticSerializationError, from_json, to_json
from typing_extensions import TypedDict

from .errors import DefinitionError, InvalidArguments, InvalidResult
from .failure import clean

#: Bytes travel as base64 and NaN as a string, since JSON has neither; unknown arguments are refused.
_CONFIG = ConfigDict(
    extra="forbid", ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings"
)
#: Longer JSON is looked at again even if its types are plain: it may hold an integer too long to be read.
_SURELY_READABLE_BYTES = 4_096
#: An error names the first places, and the beginning of each: they come from the payload, of any size.
_FAULTS_TOLD = 20
_PLACE_CHARS = 80

#: A type checker would take it for a declaration; here it is a function that makes a type.
_typed_dict = typing.cast(Callable[..., Any], TypedDict)


class Arguments:
    """The arguments of one handler.  Immutable; safe to share between threads."""

    __slots__ = (
        "_defaults",
        "_dump",
        "_is_plain",
        "_kind",
        "_positional",
        "_shape",
        "_validate_json",
        "_validate_python",
        "names",
    )

    def __init__(self, kind: str, function: Callable[..., Any]) -> None:
        self._kind = kind
        parameters = _parameters(kind, function)
        self.names = tuple(p.name for p in parameters)
        self._positional = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self._defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        hints = _hints(kind, function)
        self._shape = _typed_dict(
            "arguments", {p.name: _field(hints.get(p.name, Any), p) for p in parameters}
        )
        self._shape.__pydantic_config__ = _CONFIG
        # in a list: as the outermost type, a typed dict would not hand its configuration to the serializer
        adapter = _adapter(kind, self._shape)
        self._is_plain = _is_plain(adapter.core_schema)
        # bound once: the lookups cost as much as the validation of a small payload
        self._validate_python = adapter.validator.validate_python
        self._validate_json = adapter.validator.validate_json
        self._dump = adapter.serializer.to_json

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """A JSON object of the arguments by name.

        Raises:
            InvalidArguments: They do not fit the signature, or would not come back from JSON as they are.
        """
        try:
            checked = self._validate_python([self._by_name(args, kwargs) if args else kwargs])
        except ValidationError as error:
            raise InvalidArguments(self._kind, _faults(error)) from None
        try:
            encoded = self._dump(checked, by_alias=True)
            if not (self._is_plain and len(encoded) <= _SURELY_READABLE_BYTES):
                self._check_return(checked[0], self._validate_json(encoded)[0])
        except (PydanticSerializationError, ValidationError, RecursionError) as error:
            raise InvalidArguments(self._kind, self._blame(checked[0], error)) from None
        return encoded[1:-1]

    def decode(self, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The handler's keyword arguments, from the `a` and `k` of an envelope.

        Raises:
            InvalidArguments: They do not fit the signature as it is today.
        """
        try:
            named = self._by_name(tuple(args), kwargs) if args else kwargs
            return self._validate_json(to_json([named]))[0]  # type: ignore[no-any-return]
        except ValidationError as error:
            raise InvalidArguments(self._kind, _faults(error)) from None

    def typed(self, encoded: bytes) -> dict[str, Any]:
        """What the handler would get of encoded arguments, by name, defaults among them."""
        return self._defaults | self.decode([], from_json(encoded))

    def plain(self, encoded: bytes) -> dict[str, Any]:
        """The same as JSON data; null stands for a default that JSON cannot carry."""
        given: dict[str, Any] = from_json(encoded)
        return {name: self._plain_default(name) for name in self._defaults.keys() - given.keys()} | given

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        return TypeAdapter(self._shape).json_schema()

    def _plain_default(self, name: str) -> Any:
        try:
            [dumped] = from_json(self._dump([{name: self._defaults[name]}], by_alias=True, warnings=False))
        except (ValueError, RecursionError):
            return None
        return dumped[name]

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if len(args) > len(self._positional):
            fault = f"{len(args)} positional arguments given, {len(self._positional)} taken"
            raise InvalidArguments(self._kind, {"arguments": fault})
        named = dict(zip(self._positional, args, strict=False))
        if twice := named.keys() & kwargs.keys():
            raise InvalidArguments(self._kind, dict.fromkeys(sorted(twice), "given twice"))
        return named | kwargs

    def _check_return(self, sent: dict[str, Any], received: dict[str, Any]) -> None:
        """What JSON would change is refused now, where somebody sees it, rather than changed."""
        changed = [name for name in sent if not _is_same(sent[name], received.get(name))]
        if changed:
            faults = {name: _change(sent[name], received.get(name)) for name in changed}
            raise InvalidArguments(self._kind, faults)

    def _blame(self, sent: dict[str, Any], error: Exception) -> dict[str, str]:
        """Which of the arguments it is that JSON cannot carry."""
        faults = {}
        for name, value in sent.items():
            try:
                from_json(self._dump([{name: value}], by_alias=True))
            except (ValueError, RecursionError) as fault:
                faults[name] = f"JSON cannot carry it: {fault}"
        return faults or (_faults(error) if isinstance(error, ValidationError) else {"arguments": str(error)})


class Result:
    """The result of one handler."""

    __slots__ = ("_dump", "_kind", "_returns_none", "_validate_json", "_validate_python")

    def __init__(self, kind: str, function: Callable[..., Any]) -> None:
        annotation = _hints(kind, function).get("return", Any)
        self._kind = kind
        self._returns_none = annotation is type(None)
        # in a list, because a model as the outermost type would refuse our configuration
        adapter = _adapter(kind, annotation)
        # bound once, as for the arguments
        self._validate_python = adapter.validator.validate_python
        self._validate_json = adapter.validator.validate_json
        self._dump = adapter.serializer.to_json

    def encode(self, value: Any) -> bytes:
        """The JSON form of what the handler returned.

        Raises:
            InvalidResult: It does not fit the return annotation, or has no JSON form.
        """
        if value is None and self._returns_none:
            return b"null"
        try:
            return self._dump(self._validate_python([value]), by_alias=True)[1:-1]
        except ValidationError as error:
            raise InvalidResult(self._kind, _faults(error, "result")) from None
        except (PydanticSerializationError, RecursionError) as error:
            raise InvalidResult(self._kind, {"result": f"JSON cannot carry it: {error}"}) from None

    def decode(self, value: Any) -> Any:
        """What the handler returned, from its JSON form already read into plain Python.

        Raises:
            InvalidResult: It does not fit the return annotation as it is today.
        """
        try:
            return self._validate_json(to_json([value]))[0]
        except ValidationError as error:
            raise InvalidResult(self._kind, _faults(error, "result")) from None


def _parameters(kind: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    context, *parameters = inspect.signature(function).parameters.values() or (None,)
    if context is None or context.kind not in (context.POSITIONAL_ONLY, context.POSITIONAL_OR_KEYWORD):
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


def _adapter(kind: str, annotation: Any) -> TypeAdapter[list[Any]]:
    try:
        return TypeAdapter(list[annotation], config=_CONFIG)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise DefinitionError(f"{kind}: an annotation cannot be used: {error}") from None


def _is_plain(schema: Any) -> bool:
    """Whether JSON carries every value of this type as it is, so that a second look would be a waste.

    Dicts are not among them: pydantic writes a lone surrogate in a key as another character.
    """
    match schema:
        case {"serialization": _}:
            return False
        case {"type": "str" | "int" | "float" | "bool" | "none" | "bytes" | "uuid"}:
            return True
        case {"type": "nullable" | "typed-dict-field", "schema": inner}:
            return _is_plain(inner)
        case {"type": "list", "items_schema": items}:
            return _is_plain(items)
        case {"type": "typed-dict", "fields": fields}:
            return all(map(_is_plain, fields.values()))
    return False


def _is_same(sent: Any, received: Any) -> bool:
    """Equal, or as equal as JSON has it: NaN is NaN, and what may be any sequence may arrive as a list."""
    match sent, received:
        case list() | tuple(), list() | tuple():
            return len(sent) == len(received) and all(map(_is_same, sent, received))
        case dict(), dict():
            return sent.keys() == received.keys() and all(_is_same(sent[key], received[key]) for key in sent)
        case float(), float():
            return sent == received or (sent != sent and received != received)
    if sent == received:
        return True
    # a NaN makes a whole dataclass unlike its copy
    return type(sent) is type(received) and hasattr(sent, "__dict__") and _is_same(vars(sent), vars(received))


def _change(sent: Any, received: Any) -> str:
    before, after = type(sent).__name__, type(received).__name__
    if before == after:
        return f"would not come back from JSON as it is; give its {before} a type that does"
    return f"would come back from JSON as {after}, not {before}; annotate it with its type"


def _faults(error: ValidationError, nameless: str = "arguments") -> dict[str, str]:
    """By place (without the 0 for our outermost list); the values stay out, since they may be private."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = {
        ".".join(map(_shown, fault["loc"][1:])) or nameless: fault["msg"] for fault in found[:_FAULTS_TOLD]
    }
    if len(found) > _FAULTS_TOLD:
        faults["…"] = f"and {len(found) - _FAULTS_TOLD} more"
    return faults


def _shown(part: str | int) -> str:
    return clean(str(part), _PLACE_CHARS)
