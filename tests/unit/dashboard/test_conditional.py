"""Which conditions hold: ETags as RFC 9110 compares them."""

import asyncio

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from monarq.dashboard.conditional import _if_match, conditional
from monarq.dashboard.errors import PreconditionFailed, PreconditionRequired
from monarq.dashboard.preconditions import Precondition, version_of


def a_request(method: str = "GET", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": raw, "path": "/", "query_string": b""})


def asked(value: str) -> Precondition:
    return asyncio.run(_if_match(a_request(if_match=value), value))


def test_the_same_body_has_the_same_tag_and_another_one_another() -> None:
    tags = {conditional(a_request(), Response(body)).headers["etag"] for body in ("a", "b", "a")}
    assert len(tags) == 2
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


@pytest.mark.parametrize("sent", ["{}", "W/{}", '"other", {}', '"with,comma",W/{}', "*"])
def test_what_the_caller_has_is_not_sent_again(sent: str) -> None:
    tag = conditional(a_request(), Response("a")).headers["etag"]
    answer = conditional(
        a_request(if_none_match=sent.format(tag)), Response("a", headers={"link": "<x>", "vary": "Origin"})
    )
    assert (answer.status_code, answer.body) == (304, b"")
    assert dict(answer.headers) == {"link": "<x>", "vary": "Origin", "etag": tag}


@pytest.mark.parametrize("sent", ["", '"other"', "other", '"', "**", '"*"'])
def test_what_the_caller_has_not_is_sent(sent: str) -> None:
    assert conditional(a_request(if_none_match=sent), Response("a")).body == b"a"


def test_a_tag_that_the_route_has_set_stays() -> None:
    answer = conditional(a_request(if_none_match='"v1"'), Response("now", headers={"etag": '"v1"'}))
    assert answer.status_code == 304


def test_changes_streams_and_errors_have_no_tag() -> None:
    for request, response in (
        (a_request("POST"), Response("a")),
        (a_request(), Response("a", 404)),
        (a_request(), StreamingResponse(iter(["a"]))),
    ):
        assert "etag" not in conditional(request, response).headers


@given(st.lists(st.one_of(st.text(), st.integers(), st.none()), max_size=3), st.integers())
def test_a_change_is_made_of_the_version_that_was_seen_alone(parts: list[object], other: int) -> None:
    current = version_of(*parts)
    asked(current).check(current)
    asked(f'"x" , {current}').demand(current)
    with pytest.raises(PreconditionFailed):
        asked(version_of(*parts, other)).check(current)


@pytest.mark.parametrize("sent", ["W/{}", "", '"x"', "x"])
def test_a_weak_or_broken_tag_matches_no_version(sent: str) -> None:
    current = version_of(1)
    with pytest.raises(PreconditionFailed) as refused:
        asked(sent.format(current)).check(current)
    assert refused.value.current == current


def test_a_version_is_demanded_only_where_the_service_says_so() -> None:
    Precondition().check(version_of(1))
    asked("*").demand(version_of(1))
    with pytest.raises(PreconditionRequired):
        Precondition().demand(version_of(1))
