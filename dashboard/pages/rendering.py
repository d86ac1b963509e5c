"""From a template and values to HTML.

What a template can ask beside its values (`url`, `may`, `me`, …) are functions of the page that is being
rendered, so that macros have them, too.  Templates escape whatever they are given, and a name that is not
there is an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.status import HTTP_200_OK, HTTP_303_SEE_OTHER
from starlette.types import Scope as AsgiScope

from ..access.caller import Caller
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..media import path_of
from ..routes.guarded import the_services
from . import addresses, files, flash, json_view, navigation, words
from .theme import Theme, read_theme

#: What only tells how old something is: a page in which nothing else has changed is the same page.
_AGES = re.compile(r'(?<= data-now=)"\d+"|<time[^>]* data-stamp[^>]*>.*?</time>|(?<=>)[^<>]*(?=</time>)')
TEMPLATES = Path(__file__).parent.parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The page that is being rendered, and for whom."""

    root: str = ""
    path: str = "/"
    query: str = ""
    theme: Theme = Theme.AUTO
    environment: str | None = None
    environment_colour: str = "grey"
    #: None: nobody is logged in, or it cannot be known.
    caller: Caller | None = None
    scopes: Mapping[Permission, Scope] = field(default_factory=dict)
    told: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def may(self, permission: str, *, queue: str | None = None, kind: str | None = None) -> bool:
        """Whether the caller may do it: to this queue and kind, or anywhere if none is named."""
        scope = self.scopes.get(Permission(permission))
        if not scope:
            return False
        return (queue is None and kind is None) or scope.covers(Resource(queue=queue, kind=kind))

    def navigation(self) -> list[list[navigation.Entry]]:
        """The pages that the caller may open, in groups; Settings is always one of them."""
        return navigation.groups_for(self.scopes)


async def page(request: Request, template: str, *, title: str, status: int = 200, **values: Any) -> Response:
    """The page that the template makes of the values."""
    view = await view_of(request, told=flash.take(request))
    html = render(view, template, title=title, **values)
    response = HTMLResponse(html, status)
    if status == HTTP_200_OK and request.method == "GET":
        response.headers["etag"] = f'W/"{hashlib.sha256(_AGES.sub("", html).encode()).hexdigest()[:20]}"'
    if view.told is not None:
        flash.clear(request, response)
    return response


def go_on(
    request: Request, path: str, *segments: str, told: str | None = None, **parameters: object
) -> Response:
    """The answer to a form: go to that page, which shows once what came of it."""
    address = addresses.build(request.scope.get("root_path", ""), path, *segments, **parameters)
    response = RedirectResponse(address, HTTP_303_SEE_OTHER)
    if told is not None:
        flash.leave(request, response, told)
    return response


async def view_of(request: Request, *, told: str | None = None) -> View:
    """What templates know of a request whose caller was admitted."""
    services, caller = the_services(request), getattr(request.state, "caller", None)
    scopes = {} if caller is None else await services.guard.scopes(caller)
    return replace(
        bare_view(request.scope),
        theme=read_theme(request.cookies),
        environment=services.settings.environment,
        environment_colour=services.settings.environment_colour,
        caller=caller,
        scopes=scopes,
        told=told,
    )


def bare_view(scope: AsgiScope) -> View:
    """The same for a request of which nothing is known but its address."""
    query = scope["query_string"].decode("latin-1")
    return View(root=scope.get("root_path", ""), path=path_of(scope), query=query)


def render(view: View, template: str, **values: Any) -> str:
    """The HTML."""
    token = _shown.set(view)
    try:
        return _environment.get_template(template).render(**values)
    finally:
        _shown.reset(token)


_shown: ContextVar[View] = ContextVar("monarq_shown_page")


def _url(path: str, *segments: str, **parameters: object) -> str:
    return addresses.build(_shown.get().root, path, *segments, **parameters)


def _here(**changes: object) -> str:
    view = _shown.get()
    return addresses.again(view.root, view.path, view.query, **changes)


def _here_below(**changes: object) -> str:
    view = _shown.get()
    return addresses.again("", view.path, view.query, **changes)


def _static(name: str) -> str:
    return f"{_shown.get().root}/static/{files.address_of(name)}"


def _may(permission: str, *, queue: str | None = None, kind: str | None = None) -> bool:
    return _shown.get().may(permission, queue=queue, kind=kind)


def _ago(moment: datetime) -> str:
    return words.ago(moment, _shown.get().now)


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        url=_url,
        here=_here,
        here_below=_here_below,
        static=_static,
        may=_may,
        view=_shown.get,
        navigation=lambda: _shown.get().navigation(),
    )
    environment.filters.update(
        number=words.number,
        count_of=words.count_of,
        plural=words.plural,
        bytes=words.bytes_in_words,
        duration=words.duration,
        rough=words.rough,
        moment_in=datetime.fromisoformat,
        share=words.share,
        ago=_ago,
        iso=words.iso,
        in_full=words.in_full,
        pattern=words.pattern,
        browser=words.browser,
        as_json=json_view.as_json,
    )
    environment.globals["ui"] = ui = SimpleNamespace()
    for path in sorted((TEMPLATES / "parts").glob("*.html")):
        vars(ui).update(environment.get_template(f"parts/{path.name}").module.__dict__)
    return environment


_environment = _make_environment()
