"""The catalog as a job module."""

from typing import Any

import pytest

from monarq.jobs.catalog import deliver_webhook, make_thumbnail, send_email
from monarq.jobs.catalog.email import MailReport
from monarq.jobs.catalog.excerpt import excerpt
from monarq.jobs.catalog.image import ThumbnailReport
from monarq.jobs.catalog.smtp import Refusal
from monarq.jobs.catalog.webhook_delivery import DeliveryReport
from monarq.jobs.handler import Handler
from monarq.jobs.registry import Registry


def test_loading_the_catalog_makes_its_three_kinds_known() -> None:
    registry = Registry()
    registry.load("monarq.jobs.catalog")
    assert {handler.kind for handler in registry} == {"webhook.deliver", "email.send", "image.thumbnail"}


@pytest.mark.parametrize(
    ("handler", "report", "stored"),
    [
        (deliver_webhook, DeliveryReport(200, "fine"), b'{"status":200,"response":"fine"}'),
        (
            send_email,
            MailReport("<a@b>", ["x@y"], {"z@y": Refusal(550, "no")}),
            b'{"message_id":"<a@b>","accepted":["x@y"],"refused":{"z@y":{"code":550,"message":"no"}}}',
        ),
        (
            make_thumbnail,
            ThumbnailReport("a.png", 4, 2, 99),
            b'{"path":"a.png","width":4,"height":2,"size_bytes":99}',
        ),
    ],
)
def test_the_reports_are_plain_json(handler: Handler[..., Any], report: object, stored: bytes) -> None:
    assert handler.result.encode(report) == stored


def test_text_of_strangers_is_cut_and_put_in_one_line() -> None:
    assert excerpt(b"bad\r\n\x1b[31mred\xff") == "bad   [31mred\ufffd"
    assert excerpt("x" * 300) == "x" * 199 + "…"
    assert excerpt("x" * 200) == "x" * 200
