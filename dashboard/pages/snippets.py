"""A job as somebody would ask for it once more: by curl, on the command line, in Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json


def as_curl(address: str, kind: str, args: Any, options: Mapping[str, Any]) -> str:
    """A request to the HTTP API at this address."""
    body = to_json({"kind": kind, "args": args, **options}).decode()
    return "\n".join(
        (
            f"curl -X POST {shlex.quote(address)} \\",
            '  -H "Authorization: Bearer $MONARQ_TOKEN" \\',
            "  -H 'Content-Type: application/json' \\",
            f"  -d {shlex.quote(body)}",
        )
    )


def as_command(kind: str, args: Any, options: Mapping[str, Any]) -> str:
    """`monarq enqueue …`"""
    words = ["monarq", "enqueue", kind, "--args", to_json(args).decode()]
    for name, value in options.items():
        option = "--tag" if name == "tags" else f"--{name.replace('_', '-')}"
        words += [word for one in _each(value) for word in (option, str(one))]
    return shlex.join(words)


def as_python(origin: tuple[str, str] | None, kind: str, args: Any, options: Mapping[str, Any]) -> str:
    """`await producer.enqueue(…)`; `origin` is the module and the name of the handler."""
    module, name = origin or ("app.jobs", kind.replace(".", "_").replace("-", "_"))
    given = ", ".join(f"{key}={value!r}" for key, value in args.items() if str(key).isidentifier())
    named = "".join(f", {key}={value!r}" for key, value in options.items())
    return (
        f"from monarq import Producer\nfrom {module} import {name}\n\n"
        f"async with Producer.connect() as producer:\n"
        f"    await producer.enqueue({name}.of({given}){named})"
    )


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]
