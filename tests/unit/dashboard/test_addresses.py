"""Addresses of pages: what is built, and where a login may lead."""

import pytest

from monarq.dashboard.mounting import Place
from monarq.dashboard.pages.addresses import again, build, safe_next


@pytest.mark.parametrize(
    ("args", "parameters", "expected"),
    [
        (("", "/"), {}, "/"),
        (("/a/b", "/"), {}, "/a/b/"),
        (("", "/queues", "mail"), {}, "/queues/mail"),
        (("/x", "/queues", "a/b c?d#e"), {}, "/x/queues/a%2Fb%20c%3Fd%23e"),
        (("", "/jobs"), {"state": "dead", "cursor": None}, "/jobs?state=dead"),
        (("", "/jobs"), {"tag": ["a", "b&c"]}, "/jobs?tag=a&tag=b%26c"),
    ],
)
def test_an_address_holds_names_as_one_segment_each(
    args: tuple[str, ...], parameters: dict[str, object], expected: str
) -> None:
    assert build(*args, **parameters) == expected


def test_the_same_page_with_another_parameter_keeps_the_others() -> None:
    assert again("/x", "/jobs", "q=a+b&cursor=1&sort=", cursor="2") == "/x/jobs?q=a+b&sort=&cursor=2"
    assert again("", "/queues/a b", "cursor=1", cursor=None) == "/queues/a%20b"


@pytest.mark.parametrize("text", ["/", "/queues", "/queues/a%2Fb?sort=-ready&q=a+b", "/jobs?q=state:dead"])
def test_a_login_leads_to_pages_of_this_site(text: str) -> None:
    assert safe_next(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "queues",
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/queues\r\nSet-Cookie: a=b",
        " /queues",
        "javascript:alert(1)",
        "/a\\b",
        "/ü",
        "/" + "a" * 3_000,
    ],
)
def test_a_login_leads_nowhere_else(text: str | None) -> None:
    assert safe_next(text) == "/"


@pytest.mark.parametrize(
    ("url", "root", "path", "expected"),
    [
        (None, "", "/queues", ("", "/queues")),
        ("https://a.example", "", "/queues", ("", "/queues")),
        ("https://a.example/ops", "", "/ops/queues", ("/ops", "/ops/queues")),
        ("https://a.example/ops", "", "/queues", ("/ops", "/ops/queues")),
        ("https://a.example/ops", "", "/opsqueues", ("/ops", "/ops/opsqueues")),
        ("https://a.example/ops", "", "/ops", ("/ops", "/ops")),
        ("https://a.example/ops", "/mounted", "/mounted/queues", ("/mounted", "/mounted/queues")),
    ],
)
def test_a_prefix_is_found_whether_a_proxy_has_cut_it_off_or_not(
    url: str | None, root: str, path: str, expected: tuple[str, str]
) -> None:
    found = Place(url).find({"type": "http", "root_path": root, "path": path})
    assert (found["root_path"], found["path"]) == expected
