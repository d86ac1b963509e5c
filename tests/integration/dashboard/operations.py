"""Every operation of the OpenAPI document, and a smallest body that each of them takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from monarq.dashboard.app import openapi_document

_DOCUMENT = openapi_document()
_A_TIME = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    permission: str
    #: By name; `in` is `path` or `query`.
    parameters: tuple[dict[str, Any], ...]
    body: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes_something(self) -> bool:
        return self.method != "GET"

    def places(self, where: str) -> list[str]:
        """The names of its parameters there."""
        return [parameter["name"] for parameter in self.parameters if parameter["in"] == where]

    def filled(self, values: dict[str, str]) -> str:
        """Its path with these values in it."""
        path = self.path
        for name in self.places("path"):
            path = path.replace(f"{{{name}}}", values[name])
        return path

    def sample(self) -> Any:
        """The smallest body that it takes; None if it takes none."""
        return None if self.body is None else _sample(self.body)


def operations() -> Iterator[Operation]:
    """All of them."""
    for path, item in _DOCUMENT["paths"].items():
        for method, told in item.items():
            content = told.get("requestBody", {}).get("content", {})
            yield Operation(
                method=method.upper(),
                path=path,
                permission=told["x-permission"],
                parameters=tuple(told.get("parameters", ())),
                body=content.get("application/json", {}).get("schema"),
            )


def strings_in(schema: dict[str, Any]) -> Iterator[str]:
    """The members of a body that may hold a string."""
    for name, member in _resolved(schema).get("properties", {}).items():
        if any(option.get("type") == "string" for option in _options(member)):
            yield name


def _sample(schema: dict[str, Any]) -> Any:
    schema = _options(schema)[0]
    if "default" in schema:
        return schema["default"]
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", [])
            return {name: _sample(schema["properties"][name]) for name in wanted}
        case "array":
            return [_sample(schema["items"])] * schema.get("minItems", 0)
        case "string":
            return (
                _A_TIME if schema.get("format") == "date-time" else "x" * max(1, schema.get("minLength", 1))
            )
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    return None


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = _DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _options(schema: dict[str, Any]) -> list[dict[str, Any]]:
    schema = _resolved(schema)
    nested = schema.get("anyOf") or schema.get("oneOf")
    return [schema] if not nested else [option for one in nested for option in _options(one)]
