"""Which addresses a webhook may go to."""

from ipaddress import ip_address

import pytest

from monarq.jobs.catalog.public_address import (
    AddressRefused,
    checked_addresses,
    closed_because,
    is_ambiguous_ipv4,
    resolve,
)

CLOSED = {
    "0.0.0.0": "this network",
    "10.1.2.3": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.100.100.200": "carrier-grade NAT",  # metadata of one cloud
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "the Azure host",
    "169.254.169.254": "link-local",  # metadata of most clouds
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "protocol assignments",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "192.168.0.1": "private",
    "198.18.0.1": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "not global unicast",
    "::1": "not global unicast",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:169.254.169.254": "link-local",
    "::127.0.0.1": "not global unicast",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::a9fe:a9fe": "not global unicast",
    "100::1": "not global unicast",
    "2001::1": "Teredo",
    "2001:10::1": "protocol assignments",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:a9fe:a9fe::1": "6to4",
    "3fff::1": "documentation",
    "5f00::1": "not global unicast",
    "fc00::1": "not global unicast",
    "fd00:ec2::254": "not global unicast",  # metadata of one cloud
    "fe80::1": "not global unicast",
    "fe80::1%eth0": "not global unicast",
    "fec0::1": "not global unicast",
    "ff02::1": "not global unicast",
}
PUBLIC = (
    "1.1.1.1",
    "9.255.255.255",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
)


@pytest.mark.parametrize(("address", "reason"), CLOSED.items())
def test_an_address_that_is_not_public_is_closed(address: str, reason: str) -> None:
    assert closed_because(ip_address(address)) == reason


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_open(address: str) -> None:
    assert closed_because(ip_address(address)) is None


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "1.2.3.4.", "0"]
)
def test_an_ambiguous_spelling_of_ipv4_is_told(host: str) -> None:
    assert is_ambiguous_ipv4(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "1.1.1.1", "example.com", "1.example", "0x7f.example", "7up.com."]
)
def test_plain_ipv4_and_names_are_not_ambiguous(host: str) -> None:
    assert not is_ambiguous_ipv4(host)


async def test_a_public_host_gives_its_addresses_once_each() -> None:
    async def two(host: str, port: int) -> list[str]:
        return ["1.1.1.1", "2606:4700:4700::1111", "1.1.1.1"]

    found = await checked_addresses("example.com", 443, resolver=two)
    assert [str(address) for address in found] == ["1.1.1.1", "2606:4700:4700::1111"]


@pytest.mark.parametrize("addresses", [["1.1.1.1", "127.0.0.1"], ["::1", "1.1.1.1"]])
async def test_one_closed_address_refuses_the_host(addresses: list[str]) -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return addresses

    with pytest.raises(AddressRefused, match=r"^mixed\.example is at an address that is not public"):
        await checked_addresses("mixed.example", 443, resolver=mixed)


async def test_a_refusal_does_not_tell_the_address() -> None:
    async def private(host: str, port: int) -> list[str]:
        return ["10.11.12.13"]

    with pytest.raises(AddressRefused) as refusal:
        await checked_addresses("intranet.example", 443, resolver=private)
    assert "10.11" not in str(refusal.value)


async def test_allowed_private_addresses_pass() -> None:
    async def private(host: str, port: int) -> list[str]:
        return ["10.11.12.13"]

    [address] = await checked_addresses("intranet.example", 443, allow_private=True, resolver=private)
    assert str(address) == "10.11.12.13"


async def test_a_host_without_addresses_is_an_error_that_may_pass() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        return []

    with pytest.raises(OSError, match="has no address"):
        await checked_addresses("example.com", 443, resolver=nothing)


async def test_the_systems_resolver_reads_decimal_ipv4_as_loopback_and_it_is_refused() -> None:
    with pytest.raises(AddressRefused):
        await checked_addresses("2130706433", 80)


async def test_a_name_that_cannot_be_looked_up_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no name that can be looked up"):
        await resolve("a" * 64 + ".example", 80)
