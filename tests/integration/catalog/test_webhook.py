"""`webhook.deliver` to a real receiver."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from monarq.jobs.catalog import deliver_webhook
from monarq.jobs.catalog.settings import CatalogSettings
from monarq.jobs.catalog.webhook_delivery import DeliveryFailed, DeliveryReport, Limits, WebhookDelivery
from monarq.jobs.catalog.webhook_signature import verify
from monarq.jobs.context import JobContext
from monarq.jobs.control import Discard, Retry
from monarq.jobs.errors import ConfigError

from .receiver import ENDLESS, SILENCE, Received, answer, running

Set = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def _local_receivers_with_a_secret(settings: Set) -> None:
    settings("MONARQ_WEBHOOK_SECRET", "new,old")
    settings("MONARQ_WEBHOOK_ALLOW_PRIVATE", "true")


def check(request: Received, secret: str) -> None:
    headers = request.headers
    verify(request.body, headers["monarq-signature"], headers["idempotency-key"], secret=secret)


async def test_a_receiver_gets_the_json_body_signed_and_under_the_job_id(ctx: JobContext) -> None:
    async with running() as receiver:
        report = await deliver_webhook(
            ctx, url=receiver.url(path="/a?b=c"), body={"é": [1, None]}, headers={"X-Event": "paid"}
        )
    [request] = receiver.requests
    assert report == DeliveryReport(200, "fine!")
    assert request.line == "POST /a?b=c HTTP/1.1"
    assert json.loads(request.body) == {"é": [1, None]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-event"] == "paid"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["idempotency-key"] == "{default}0192-ab"
    check(request, "new")
    check(request, "old")


async def test_a_named_secret_signs_instead(ctx: JobContext, settings: Set) -> None:
    settings("MONARQ_WEBHOOK_SECRETS", '{"billing": "theirs"}')
    async with running() as receiver:
        await deliver_webhook(ctx, url=receiver.url(), body={}, secret_name="billing")
    check(receiver.requests[0], "theirs")


@pytest.mark.parametrize(("secret", "name"), [("", None), (" , ", None), ("new", "unknown")])
async def test_nothing_is_sent_unsigned(
    ctx: JobContext, settings: Set, secret: str, name: str | None
) -> None:
    settings("MONARQ_WEBHOOK_SECRET", secret)
    async with running() as receiver:
        with pytest.raises(ConfigError, match="never sent unsigned"):
            await deliver_webhook(ctx, url=receiver.url(), body={}, secret_name=name)
    assert receiver.connections == 0


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(ctx: JobContext, status: int) -> None:
    async with running(answer(status)) as receiver:
        assert (await deliver_webhook(ctx, url=receiver.url(), body={})).status == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 451])
async def test_a_final_answer_discards_the_job_and_says_what_it_was(ctx: JobContext, status: int) -> None:
    async with running(answer(status, body="no\r\n\x1b[31m")) as receiver:
        with pytest.raises(Discard, match=rf"^the receiver answered {status} no   \[31m$"):
            await deliver_webhook(ctx, url=receiver.url(), body={})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_an_answer_that_may_change_is_tried_again(ctx: JobContext, status: int) -> None:
    async with running(answer(status, body="busy")) as receiver:
        with pytest.raises(DeliveryFailed, match=f"^the receiver answered {status} busy$"):
            await deliver_webhook(ctx, url=receiver.url(), body={})


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_in_seconds_names_the_next_attempt(ctx: JobContext, status: int) -> None:
    async with running(answer(status, "Retry-After: 17")) as receiver:
        with pytest.raises(Retry) as retry:
            await deliver_webhook(ctx, url=receiver.url(), body={})
    assert retry.value.defer == timedelta(seconds=17)


async def test_retry_after_as_a_date_names_the_next_attempt(ctx: JobContext) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    async with running(answer(429, f"Retry-After: {date}")) as receiver:
        with pytest.raises(Retry) as retry:
            await deliver_webhook(ctx, url=receiver.url(), body={})
    assert retry.value.defer is not None
    assert timedelta(minutes=9) < retry.value.defer <= timedelta(minutes=10)


@pytest.mark.parametrize(("status", "header"), [(500, "17"), (429, "soon")])
async def test_without_a_usable_retry_after_the_backoff_decides(
    ctx: JobContext, status: int, header: str
) -> None:
    async with running(answer(status, f"Retry-After: {header}")) as receiver:
        with pytest.raises(DeliveryFailed):
            await deliver_webhook(ctx, url=receiver.url(), body={})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(ctx: JobContext, status: int) -> None:
    async with running() as elsewhere, running(answer(status, f"Location: {elsewhere.url()}")) as receiver:
        with pytest.raises(Discard, match=f"answered {status}; redirects are not followed"):
            await deliver_webhook(ctx, url=receiver.url(), body={})
    assert elsewhere.connections == 0


async def test_an_endless_response_is_cut_by_its_size() -> None:
    delivery = WebhookDelivery(CatalogSettings(), Limits(body=60))
    async with running(ENDLESS) as receiver, asyncio.timeout(10):
        report = await delivery.send("job-1", receiver.url(), b"{}", {}, None)
        await receiver.hung_up.wait()
    assert report == DeliveryReport(200, "x" * 2048)


async def test_a_body_that_stalls_does_not_spoil_the_success() -> None:
    stalled = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"
    limits = Limits(body=0.05)
    delivery = WebhookDelivery(CatalogSettings(), limits)
    async with _Stalling(stalled) as url:
        report = await delivery.send("job-1", url, b"{}", {}, None)
    assert report == DeliveryReport(200, "part")


async def test_a_silent_receiver_is_given_up_in_time() -> None:
    async with running(SILENCE) as receiver:
        delivery = WebhookDelivery(CatalogSettings(), Limits(total=0.05))
        with pytest.raises(DeliveryFailed, match=r"^127\.0\.0\.1: no response within 0\.05 s$"):
            await delivery.send("job-1", receiver.url(), b"{}", {}, None)


async def test_silence_between_packets_has_its_own_bound() -> None:
    async with running(SILENCE) as receiver:
        delivery = WebhookDelivery(CatalogSettings(), Limits(read=0.05))
        with pytest.raises(DeliveryFailed, match="ReadTimeout"):
            await delivery.send("job-1", receiver.url(), b"{}", {}, None)


async def test_a_refused_connection_and_a_broken_answer_are_tried_again(ctx: JobContext) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryFailed, match="ConnectError"):
            await deliver_webhook(ctx, url=f"http://127.0.0.1:{unused.getsockname()[1]}/", body={})
    async with running(b"not http at all\r\n\r\n") as receiver:
        with pytest.raises(DeliveryFailed, match="RemoteProtocolError"):
            await deliver_webhook(ctx, url=receiver.url(), body={})


async def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    async def no_answer(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    delivery = WebhookDelivery(CatalogSettings(), resolver=no_answer)
    with pytest.raises(DeliveryFailed, match=r"^nowhere\.test: gaierror: .*Temporary failure"):
        await delivery.send("job-1", "https://nowhere.test/token", b"{}", {}, None)


async def test_arguments_that_came_another_way_are_checked_again(ctx: JobContext) -> None:
    """arq's own `enqueue_job` checks nothing."""
    for arguments in (
        {"url": "gopher://127.0.0.1/", "body": {}},
        {"url": "http://127.0.0.1/", "body": {}, "headers": {"Host": "x"}},
        {"url": "http://127.0.0.1/", "body": float("nan")},
        {"url": "http://127.0.0.1/", "body": object()},
    ):
        with pytest.raises(Discard):
            await deliver_webhook(ctx, **arguments)


async def test_neither_secrets_nor_paths_get_into_logs_and_errors(
    ctx: JobContext, settings: Set, caplog: pytest.LogCaptureFixture
) -> None:
    """Services put tokens into the paths of their webhooks."""
    settings("MONARQ_WEBHOOK_SECRET", "hunter2")
    caplog.set_level(logging.DEBUG)
    async with running(answer(500)) as receiver:
        with pytest.raises(DeliveryFailed) as error:
            await deliver_webhook(ctx, url=receiver.url(path="/token-7f3a?key=token-7f3a"), body={})
    seen = caplog.text + str(error.value) + repr(error.value)
    assert "hunter2" not in seen
    assert "token-7f3a" not in seen


class _Stalling:
    """Sends `head` and keeps the connection open."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._head)
        await reader.read()
        writer.close()
