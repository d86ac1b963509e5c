"""A form made from a JSON Schema, and what somebody has typed into it, as JSON.

Plain types get inputs of their own, all others a text area for JSON.  What is left empty is left out, so that
the kind's own default holds.  Only what cannot be read is judged here: the kind checks the rest, and its
faults are told at their fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json, to_json

#: Of texts that have a form.
_EXAMPLES = {
    "date-time": "2030-01-31T09:00:00Z",
    "date": "2030-01-31",
    "time": "09:00:00",
    "duration": "PT30S",
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
}
_DEEPEST_EXAMPLE = 4
#: How fields of arguments are named in a form.
PREFIX = "args."
_NUMBERS = frozenset({"integer", "number"})
_MOST_CHOICES = 200
#: Text that may be longer than this gets several lines.
_LONG_TEXT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One input."""

    name: str
    #: `text`, `number`, `choice`, `lines` (text of several lines) or `json`.
    shape: str
    #: The words of its schema: `integer`, `date-time`, `array` …
    words: str
    is_required: bool = False
    hint: str = ""
    #: What could be typed.
    example: str = ""
    #: As it is typed.
    value: str = ""
    options: tuple[str, ...] = ()
    fault: str | None = None


def fields_of(schema: Mapping[str, Any]) -> list[FormField]:
    """The fields of an object, in its order."""
    required = set(schema.get("required", ()))
    definitions = schema.get("$defs", {})
    return [
        _field(name, _resolved(one, definitions), name in required, definitions)
        for name, one in schema.get("properties", {}).items()
    ]


def filled(fields: list[FormField], values: Mapping[str, Any]) -> list[FormField]:
    """The same fields with these arguments typed in."""
    return [
        replace(field, value=_typed(field, values[field.name])) if field.name in values else field
        for field in fields
    ]


def typed_in(fields: list[FormField], form: Mapping[str, str]) -> list[FormField]:
    """The same fields as somebody has filled them in; what cannot be read is a fault."""
    return [_with_text(field, str(form.get(PREFIX + field.name, ""))) for field in fields]


def arguments_of(fields: list[FormField]) -> dict[str, Any]:
    """What was typed, as JSON data; what is empty is left out, unless it is required and any text will do."""
    return {
        field.name: _read(field)
        for field in fields
        if field.value or (field.is_required and field.words == "string")
    }


def with_faults(fields: list[FormField], faults: Mapping[str, str]) -> list[FormField]:
    """The same fields with what the kind says of them; `faults` are told by places: `lines.0.sku`."""
    by_name: dict[str, list[str]] = {}
    for place, fault in faults.items():
        name, _, inside = place.partition(".")
        by_name.setdefault(name, []).append(f"{inside}: {fault}" if inside else fault)
    return [
        replace(field, fault="; ".join(by_name[field.name])) if field.name in by_name else field
        for field in fields
    ]


def _with_text(field: FormField, text: str) -> FormField:
    # what browsers send of a text area has line ends of its own
    typed = replace(field, value=text.replace("\r\n", "\n"))
    if field.shape == "json" and text.strip():
        try:
            from_json(text)
        except ValueError as error:
            return replace(typed, fault=f"this is not JSON: {error}")
    return typed


def _read(field: FormField) -> Any:
    if field.shape in ("text", "lines"):
        return field.value
    try:
        return from_json(field.value)
    except ValueError:  # a number that is none: the kind will say so
        return field.value


def _typed(field: FormField, value: Any) -> str:
    if isinstance(value, str) and field.shape in ("text", "lines"):
        return value
    if field.shape == "json" and isinstance(value, dict | list):
        return to_json(value, indent=2).decode()
    return to_json(value).decode()


def _field(
    name: str, schema: Mapping[str, Any], is_required: bool, definitions: Mapping[str, Any]
) -> FormField:
    default = "" if "default" not in schema else f"empty: {_shown(schema['default'])}"
    description = str(schema.get("description", ""))
    hint = " · ".join(part for part in (description, default) if part)
    kind = str(schema.get("type", ""))
    options = _choices(schema)
    if options:
        shape = "choice"
    elif kind == "string":
        is_long = schema.get("maxLength", 0) > _LONG_TEXT or "\n" in str(schema.get("default", ""))
        shape = "lines" if is_long else "text"
    else:
        shape = "number" if kind in _NUMBERS else "json"
    words = "choice" if options else str(schema.get("format") or kind or "JSON")
    return FormField(
        name=name,
        shape=shape,
        words=words,
        is_required=is_required,
        hint=hint,
        example=_shown(_example(schema, definitions)) if shape == "json" else _EXAMPLES.get(words, ""),
        options=options,
    )


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if schema.get("type") == "boolean":
        return ("true", "false")
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return tuple(to_json(value).decode() for value in values[:_MOST_CHOICES])


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Without references, and `X | null` as X: null is what is left out."""
    found = dict(schema)
    if "$ref" in found:
        named = definitions.get(str(found.pop("$ref")).rpartition("/")[2], {})
        found = {**named, **found}
    either = found.get("anyOf", [])
    others = [one for one in either if one.get("type") != "null"]
    if len(others) == 1 and len(either) == 2:
        found.pop("anyOf")
        found = {**_resolved(others[0], definitions), **found}
    return found


def _example(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> Any:
    """The smallest value of this shape, as far as the shape is plain."""
    schema = _resolved(schema, definitions)
    if depth > _DEEPEST_EXAMPLE or "default" in schema:
        return schema.get("default")
    match schema.get("type"):
        case "array":
            items = schema.get("items")
            return [_example(items, definitions, depth + 1)] if items else []
        case "object":
            required = schema.get("required", ())
            inside = schema.get("properties", {}).items()
            return {name: _example(one, definitions, depth + 1) for name, one in inside if name in required}
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "string":
            return _EXAMPLES.get(str(schema.get("format")), "text")
    return None


def _shown(value: Any) -> str:
    text = to_json(value).decode()
    return text if len(text) <= 60 else f"{text[:59]}…"
