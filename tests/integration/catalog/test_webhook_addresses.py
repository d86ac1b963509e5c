"""No webhook reaches the private network, whatever its URL and its name servers say."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from monarq.jobs.catalog import deliver_webhook
from monarq.jobs.catalog.pinned_transport import PinnedTransport
from monarq.jobs.catalog.public_address import AddressRefused
from monarq.jobs.catalog.settings import CatalogSettings
from monarq.jobs.catalog.webhook_delivery import DeliveryFailed, WebhookDelivery
from monarq.jobs.context import JobContext
from monarq.jobs.control import Discard

from .receiver import running


@dataclass
class Flipping:
    """A name server that gives another answer each time, and the last one for ever."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(autouse=True)
def _secret(settings: Callable[[str, str], None]) -> None:
    settings("MONARQ_WEBHOOK_SECRET", "s")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "127。0。0。1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.0.1.",
        "①②⑦.0.0.1",
    ],
)
async def test_no_spelling_of_a_private_address_is_reached(ctx: JobContext, host: str) -> None:
    async with running() as receiver:
        with pytest.raises(Discard):
            await deliver_webhook(ctx, url=receiver.url(host), body={})
    assert receiver.connections == 0


@pytest.mark.parametrize("scheme", ["file", "gopher", "ftp", "dict", "ws"])
async def test_no_other_scheme_is_reached(ctx: JobContext, scheme: str) -> None:
    async with running() as receiver:
        with pytest.raises(Discard):
            await deliver_webhook(ctx, url=receiver.url(scheme=scheme), body={})
    assert receiver.connections == 0


async def test_a_public_address_beside_a_private_one_does_not_help() -> None:
    async with running() as receiver:
        delivery = WebhookDelivery(CatalogSettings(), resolver=Flipping([["1.1.1.1", "127.0.0.1"]]))
        with pytest.raises(Discard, match="MONARQ_WEBHOOK_ALLOW_PRIVATE"):
            await delivery.send("job-1", receiver.url("rebind.test"), b"{}", {}, None)
    assert receiver.connections == 0


async def test_a_name_that_turns_private_after_the_check_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the first answer passes the check, and the second one would be connected to."""
    connected: list[httpx.Request] = []

    async def record(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        connected.append(request)
        raise httpx.ConnectError("recorded")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", record)
    resolver = Flipping([["93.184.215.14", "2606:2800:21f::1"], ["127.0.0.1"]])
    async with PinnedTransport(resolver=resolver) as transport:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(httpx.Request("POST", "https://rebind.test:8443/x"))
    assert resolver.asked == ["rebind.test"]
    assert [str(request.url) for request in connected] == [
        "https://93.184.215.14:8443/x",
        "https://[2606:2800:21f::1]:8443/x",
    ]
    assert {request.headers["Host"] for request in connected} == {"rebind.test:8443"}
    assert {request.extensions["sni_hostname"] for request in connected} == {"rebind.test"}


async def test_each_delivery_is_judged_anew() -> None:
    resolver = Flipping([["127.0.0.1"], ["10.0.0.1"]])
    async with running() as receiver:
        request = httpx.Request("POST", receiver.url("rebind.test"))
        async with PinnedTransport(allow_private=True, resolver=resolver) as transport:
            assert (await transport.handle_async_request(request)).status_code == 200
        async with PinnedTransport(resolver=resolver) as transport:
            with pytest.raises(AddressRefused):
                await transport.handle_async_request(request)


async def test_the_checked_address_is_connected_to_with_the_name_in_the_host_header() -> None:
    """`receiver.test` is in no name server: whoever resolved it again would get nowhere."""
    delivery = WebhookDelivery(
        CatalogSettings(webhook_allow_private=True), resolver=Flipping([["127.0.0.1"]])
    )
    async with running() as receiver:
        await delivery.send("job-1", receiver.url("receiver.test"), b"{}", {}, None)
    assert receiver.requests[0].headers["host"] == f"receiver.test:{receiver.port}"


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    """Nothing listens on [::1] at that port."""
    resolver = Flipping([["::1", "127.0.0.1"]])
    delivery = WebhookDelivery(CatalogSettings(webhook_allow_private=True), resolver=resolver)
    async with running() as receiver:
        assert (await delivery.send("job-1", receiver.url("receiver.test"), b"{}", {}, None)).status == 200


@pytest.mark.parametrize("host", ["receiver.test", "receiver.test."])
async def test_tls_is_checked_for_the_name(
    host: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    settings = CatalogSettings(webhook_allow_private=True)
    delivery = WebhookDelivery(settings, resolver=Flipping([["127.0.0.1"]]), tls=client_tls)
    async with running(tls=server_tls) as receiver:
        report = await delivery.send("job-1", receiver.url(host, "https"), b"{}", {}, None)
    assert report.status == 200


async def test_a_certificate_for_the_address_does_not_do_for_the_name(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    settings = CatalogSettings(webhook_allow_private=True)
    delivery = WebhookDelivery(settings, resolver=Flipping([["127.0.0.1"]]), tls=client_tls)
    async with running(tls=server_tls) as receiver:
        with pytest.raises(DeliveryFailed, match="certificate"):
            await delivery.send("job-1", receiver.url("another.test", "https"), b"{}", {}, None)
    assert receiver.requests == []


async def test_an_authority_that_is_not_trusted_does_not_do(server_tls: ssl.SSLContext) -> None:
    settings = CatalogSettings(webhook_allow_private=True)
    delivery = WebhookDelivery(settings, resolver=Flipping([["127.0.0.1"]]))
    async with running(tls=server_tls) as receiver:
        with pytest.raises(DeliveryFailed, match="certificate"):
            await delivery.send("job-1", receiver.url("receiver.test", "https"), b"{}", {}, None)
    assert receiver.requests == []


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as proxy, running() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        delivery = WebhookDelivery(CatalogSettings(webhook_allow_private=True))
        await delivery.send("job-1", receiver.url(), b"{}", {}, None)
    assert (proxy.connections, receiver.connections) == (0, 1)
