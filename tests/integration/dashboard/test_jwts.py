"""JWTs: every attack of the catalogue is answered like no JWT at all."""

import asyncio
import hmac
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monarq.dashboard.auth.signing import SigningKeys, new_key

from .house import House
from .issuer import AUDIENCE, ISSUER, OutsideIssuer, encoded, forged, good_claims

OURS = new_key()
OURS_NEXT = new_key()
SECRET = new_key("hs256")


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[OutsideIssuer]:
    with OutsideIssuer() as issuer:
        issuer.add("curve", "ES256")
        issuer.add("edwards", "EdDSA")
        yield issuer


@pytest.fixture
def issuer(shared_issuer: OutsideIssuer) -> Iterator[OutsideIssuer]:
    shared_issuer.asked = 0
    yield shared_issuer
    shared_issuer.broken = None
    shared_issuer.further = []


@pytest.fixture
async def trusting(open_house: Callable[..., Any], issuer: OutsideIssuer) -> House:
    """A dashboard that knows the outside issuer, and signs with two keys of its own."""
    return await open_house(  # type: ignore[no-any-return]
        issuers=(issuer.settings(),), signing_keys=f"{OURS},{SECRET}"
    )


async def ask(house: House, token: str) -> Any:
    return await house.client(authorization=f"Bearer {token}").get("/v1/queues")


def public_pem(issuer: OutsideIssuer) -> bytes:
    key = issuer.keys["one"][1].public_key()
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def confused(issuer: OutsideIssuer) -> str:
    """Signed with the public key, as if it were a secret."""
    body = forged({"alg": "HS256", "typ": "at+jwt", "kid": "one"}, good_claims()).rpartition(".")[0]
    return f"{body}.{encoded(hmac.digest(public_pem(issuer), body.encode(), sha256))}"


def ours(**claims: Any) -> dict[str, Any]:
    return good_claims() | {"iss": "monarq", "sub": "user:1", "jti": "x"} | claims


def signed_with(text: str, claims: dict[str, Any], **header: Any) -> str:
    key = SigningKeys.read(text).newest
    assert key is not None
    return jwt.encode(
        claims, key.signs, algorithm=key.algorithm, headers={"typ": "at+jwt", "kid": key.id} | header
    )


_NOW = int(time.time())
#: The tests may run long after this file was read.
_DAY = 86_400
#: What is wrong, and how it is made.
ATTACKS: dict[str, Callable[[OutsideIssuer], str]] = {
    "no JWT": lambda _: "abc",
    "empty": lambda _: "",
    "two parts": lambda it: it.token().rpartition(".")[0],
    "four parts": lambda it: it.token() + ".x",
    "alg none": lambda _: forged({"alg": "none", "typ": "at+jwt"}, good_claims()),
    "alg None": lambda _: forged({"alg": "None", "typ": "at+jwt", "kid": "one"}, good_claims()),
    "alg nOnE": lambda _: forged({"alg": "nOnE", "typ": "at+jwt", "kid": "one"}, good_claims()),
    "no alg": lambda _: forged({"typ": "at+jwt", "kid": "one"}, good_claims()),
    "alg is a list": lambda _: forged({"alg": ["RS256"], "typ": "at+jwt", "kid": "one"}, good_claims()),
    "none, of ours": lambda _: forged({"alg": "none", "typ": "at+jwt"}, ours()),
    "public key as secret": confused,
    "algorithm that is not allowed": lambda it: forged(
        {"alg": "RS512", "typ": "at+jwt", "kid": "one"}, good_claims(), b"x"
    ),
    "empty signature": lambda it: it.token().rpartition(".")[0] + ".",
    "signature of another": lambda it: (
        it.token().rpartition(".")[0] + "." + it.token(sub="x").rpartition(".")[2]
    ),
    "other claims under the signature": lambda it: ".".join(
        [it.token().split(".")[0], encoded(b'{"iss":"' + ISSUER.encode() + b'"}'), it.token().split(".")[2]]
    ),
    "key of another type": lambda it: it.token("curve", headers={"kid": "one"}),
    "kid that is not there": lambda it: it.token(headers={"kid": "other"}),
    "kid is a path": lambda it: it.token(headers={"kid": "../../../../dev/null"}),
    "kid is SQL": lambda it: it.token(headers={"kid": "x' UNION SELECT 'key'--"}),
    "kid is an address": lambda it: it.token(headers={"kid": it.url}),
    "no kid": lambda it: forged({"alg": "RS256", "typ": "at+jwt"}, good_claims(), b"x"),
    "jku, and a key of its own": lambda it: signed_with(new_key(), good_claims(), jku=it.url, kid="mine"),
    "jwk in the header": lambda it: signed_with(
        OURS_NEXT, good_claims(), jwk=SigningKeys.read(OURS_NEXT).jwks()["keys"][0]
    ),
    "crit": lambda it: it.token(headers={"crit": ["exp"], "exp": 1}),
    "crit that nobody knows": lambda it: it.token(headers={"crit": ["x"], "x": 1}),
    "b64 false": lambda it: it.token(headers={"b64": False}),
    "expired": lambda it: it.token(exp=_NOW - 60),
    "no exp": lambda it: it.token(exp=None),
    "exp is no number": lambda it: it.token(exp="soon"),
    "not yet": lambda it: it.token(nbf=_NOW + _DAY),
    "from the future": lambda it: it.token(iat=_NOW + _DAY),
    "no iat": lambda it: it.token(iat=None),
    "no sub": lambda it: it.token(sub=None),
    "empty sub": lambda it: it.token(sub=""),
    "no aud": lambda it: it.token(aud=None),
    "other aud": lambda it: it.token(aud="other"),
    "part of the aud": lambda it: it.token(aud=AUDIENCE[:-1]),
    "no iss": lambda it: it.token(iss=None),
    "other iss": lambda it: it.token(iss="https://evil.example/"),
    "part of the iss": lambda it: it.token(iss=ISSUER[:-1]),
    "iss is a list": lambda it: forged(
        {"alg": "RS256", "typ": "at+jwt", "kid": "one"}, good_claims() | {"iss": [ISSUER]}, b"x"
    ),
    "theirs, said to be ours": lambda it: it.token(iss="monarq"),
    "id token": lambda it: it.token(headers={"typ": "JWT"}),
    "no typ": lambda it: it.token(headers={"typ": None}),
    "logout token": lambda it: it.token(headers={"typ": "logout+jwt"}),
    "encrypted": lambda _: ".".join(["e30", "x", "x", "x", "x"]),
    "1 MB": lambda it: it.token(pad="x" * 1_000_000),
    "just too large": lambda it: it.token(pad="x" * 9_000),
    "deep": lambda _: ".".join([encoded(b'{"a":' * 2_000), encoded(b"{}"), ""]),
    "NUL": lambda _: "a.b.c\\0",
    "a key that we never had": lambda _: signed_with(OURS_NEXT, ours()),
    "our secret key, as EdDSA": lambda _: forged(
        {"alg": "EdDSA", "typ": "at+jwt", "kid": SigningKeys.read(SECRET).newest.id},
        ours(),
        b"x",  # type: ignore[union-attr]
    ),
    "our public key, as a secret": lambda _: jwt.encode(
        ours(),
        SigningKeys.read(OURS).jwks()["keys"][0]["x"],
        algorithm="HS256",
        headers={"typ": "at+jwt", "kid": SigningKeys.read(OURS).newest.id},  # type: ignore[union-attr]
    ),
    "ours, of a user that is not there": lambda _: signed_with(OURS, ours(sub="user:nobody")),
    "ours, of nothing": lambda _: signed_with(OURS, ours(sub="root")),
    "ours, for others": lambda _: signed_with(OURS, ours(aud="other")),
    "ours, expired": lambda _: signed_with(OURS, ours(exp=_NOW - 60)),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_answered_like_no_jwt_at_all(
    trusting: House, issuer: OutsideIssuer, attack: str
) -> None:
    answer = await ask(trusting, ATTACKS[attack](issuer))
    bare = await trusting.client().get("/v1/queues")
    assert answer.status_code == bare.status_code == 401
    assert {**answer.json(), "request_id": ""} == {**bare.json(), "request_id": ""}
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key_id", ["one", "curve", "edwards"])
async def test_a_jwt_of_an_outside_issuer_holds(trusting: House, issuer: OutsideIssuer, key_id: str) -> None:
    answer = await ask(trusting, issuer.token(key_id))
    assert answer.status_code == 200, answer.text


async def test_the_groups_of_an_outside_issuer_say_what_may_be_done(
    trusting: House, issuer: OutsideIssuer
) -> None:
    def client(**claims: Any) -> Any:
        return trusting.client(authorization=f"Bearer {issuer.token(**claims)}")

    listed = (await client(groups=["staff"]).get("/v1/queues")).json()["items"]
    assert [queue["queue"] for queue in listed] == ["mail"]
    for groups in ([], ["other"], "sre", {"sre": 1}, None):
        assert (await client(groups=groups).get("/v1/queues")).status_code == 403
    me = (await client().get("/v1/me")).json()
    assert (me["subject"], me["means"]) == (f"{ISSUER}#ann", "jwt")


async def test_a_secret_among_the_public_keys_is_not_used(trusting: House, issuer: OutsideIssuer) -> None:
    issuer.further = [{"kty": "oct", "k": encoded(b"x" * 32), "kid": "oct", "alg": "HS256", "use": "sig"}]
    token = jwt.encode(good_claims(), b"x" * 32, algorithm="HS256", headers={"typ": "at+jwt", "kid": "oct"})
    assert (await ask(trusting, token)).status_code == 401


async def test_keys_are_fetched_once_for_all_who_wait(trusting: House, issuer: OutsideIssuer) -> None:
    answers = await asyncio.gather(*(ask(trusting, issuer.token()) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert issuer.asked == 1


async def test_keys_that_are_not_there_are_not_fetched_again_and_again(
    trusting: House, issuer: OutsideIssuer
) -> None:
    assert (await ask(trusting, issuer.token())).status_code == 200
    for number in range(10):
        await ask(trusting, issuer.token(headers={"kid": f"made-up-{number}"}))
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "broken",
    [(500, b""), (302, b""), (200, b"no JSON"), (200, b"[]"), (200, b'{"keys": 7}'), (200, b"x" * 300_000)],
)
async def test_keys_that_are_known_hold_while_the_issuer_is_broken(
    trusting: House, issuer: OutsideIssuer, broken: tuple[int, bytes]
) -> None:
    assert (await ask(trusting, issuer.token())).status_code == 200
    keys = trusting.services.authenticator._verifier._trusted[ISSUER].keys
    keys._fresh_until = keys._rests_until = 0.0
    issuer.broken = broken
    assert (await ask(trusting, issuer.token())).status_code == 200
    assert (await ask(trusting, issuer.token(headers={"kid": "other"}))).status_code == 401
    assert issuer.asked == 2


async def test_our_jwt_holds_for_minutes_and_may_do_what_its_maker_may(trusting: House) -> None:
    browser = await trusting.browser({"role": "operator", "queues": ["mail"]})
    made = await browser.post("/v1/access-tokens", json={})
    assert made.status_code == 201, made.text
    assert made.json()["expires_in"] <= 900
    client = trusting.client(authorization=f"Bearer {made.json()['access_token']}")
    assert [queue["queue"] for queue in (await client.get("/v1/queues")).json()["items"]] == ["mail"]
    assert (await client.post("/v1/queues/mail/pause", json={"why": "x"})).status_code == 200
    renewed = await client.post("/v1/access-tokens", json={})
    assert (renewed.status_code, renewed.json()["code"]) == (403, "wrong_means")


async def test_our_jwt_can_be_made_for_less(trusting: House) -> None:
    program = await trusting.program({"role": "operator"})
    made = await program.post("/v1/access-tokens", json={"permissions": ["queues:read", "users:write"]})
    client = trusting.client(authorization=f"Bearer {made.json()['access_token']}")
    assert (await client.get("/v1/me")).json()["permissions"] == ["queues:read"]
    assert (await client.post("/v1/queues/mail/pause", json={"why": "x"})).status_code == 403


async def test_our_jwt_ends_with_its_logout_its_user_and_its_token(trusting: House) -> None:
    async def jwt_of(client: Any) -> Any:
        made = (await client.post("/v1/access-tokens", json={})).json()["access_token"]
        return trusting.client(authorization=f"Bearer {made}")

    user = await trusting.user({"role": "viewer"})
    browser = await trusting.browser(user=user)
    first, second = await jwt_of(browser), await jwt_of(browser)
    assert (await first.delete("/v1/sessions/current")).status_code == 204
    assert (await first.get("/v1/queues")).status_code == 401
    assert (await second.get("/v1/queues")).status_code == 200
    await trusting.directory.change_user(user.id, is_active=False)
    assert (await second.get("/v1/queues")).status_code == 401

    secret, token_id = await trusting.token({"role": "viewer"})
    third = await jwt_of(trusting.client(authorization=f"Bearer {secret}"))
    assert (await third.get("/v1/queues")).status_code == 200
    await trusting.directory.revoke_token(token_id)
    assert (await third.get("/v1/queues")).status_code == 401


async def test_a_key_can_be_replaced_while_its_jwts_go_on(open_house: Callable[..., Any]) -> None:
    before = await open_house(signing_keys=OURS)
    program = await before.program({"role": "viewer"})
    old = (await program.post("/v1/access-tokens", json={})).json()["access_token"]

    between = await open_house(signing_keys=f"{OURS_NEXT},{OURS}")
    assert (await ask(between, old)).status_code == 200
    again = between.client(authorization=program.headers["authorization"])
    new = (await again.post("/v1/access-tokens", json={})).json()["access_token"]
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]

    after = await open_house(signing_keys=OURS_NEXT)
    assert (await ask(after, new)).status_code == 200
    assert (await ask(after, old)).status_code == 401


async def test_anybody_can_verify_our_jwts_by_our_public_keys_and_no_secret_is_told(trusting: House) -> None:
    program = await trusting.program({"role": "viewer"})
    token = (await program.post("/v1/access-tokens", json={})).json()["access_token"]
    told = await trusting.client().get("/.well-known/jwks.json")
    [key] = told.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["EdDSA"], audience="monarq", issuer="monarq")
    assert claims["sub"].startswith("token:")


async def test_without_a_key_no_jwt_is_issued(house: House) -> None:
    program = await house.program({"role": "viewer"})
    answer = await program.post("/v1/access-tokens", json={})
    assert (answer.status_code, answer.json()["code"]) == (501, "not_set_up")
    assert (await house.client().get("/.well-known/jwks.json")).json() == {"keys": []}
