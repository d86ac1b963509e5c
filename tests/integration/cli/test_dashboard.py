"""`monarq dashboard`, `monarq users` and `monarq tokens`, as they are typed."""

import json
import re
import signal

import httpx
import pytest

from tests.servers import free_port

from .stage import Stage

PASSWORD = "correct horse battery"


@pytest.fixture
def kept(stage: Stage, database_url: str) -> Stage:
    """A stage with PostgreSQL."""
    stage.environ["MONARQ_DATABASE_URL"] = database_url
    return stage


def test_from_nothing_to_an_admin_who_is_logged_in(kept: Stage) -> None:
    port = str(free_port())
    made = kept.monarq("users", "create", "ann", "--role", "admin", stdin=PASSWORD + "\n")
    assert (made.returncode, made.stdout) == (0, "created ann: admin\n"), made.stderr
    server = kept.start("dashboard", MONARQ_DASHBOARD_PORT=port).says("monarq dashboard: http://127.0.0.1")
    link = kept.monarq("users", "login", "ann", MONARQ_DASHBOARD_PORT=port).stdout.strip()
    assert re.fullmatch(rf"http://127\.0\.0\.1:{port}/login/[\w-]{{43}}", link)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"sec-fetch-site": "same-origin"}
    ) as browser:
        wait_for(browser)
        assert browser.post(link).status_code == 303
        assert browser.get("/v1/me").json()["name"] == "ann"
        assert "server" not in browser.get("/v1/me").headers
        kept.monarq("users", "disable", "ann")
        assert browser.get("/v1/me").status_code == 401
    assert server.send(signal.SIGTERM).ends() == 0


def test_a_token_is_printed_alone_and_holds_until_it_is_revoked(kept: Stage) -> None:
    port = str(free_port())
    made = kept.monarq("tokens", "create", "ci", "--role", "viewer", "--queue", "mail*", "--days", "7")
    assert re.fullmatch(r"monarq_[\w-]{43}\n", made.stdout)
    assert "viewer (queues mail*)" in made.stderr
    kept.start("dashboard", "--port", port).says("monarq dashboard:")
    header = {"authorization": f"Bearer {made.stdout.strip()}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=header) as program:
        wait_for(program)
        assert program.get("/v1/queues").json()["items"] == []
        [token] = json.loads(kept.monarq("tokens", "list", "--json").stdout)
        assert token["last_used_at"] is not None
        assert kept.monarq("tokens", "revoke", token["id"]).returncode == 0
        assert program.get("/v1/queues").status_code == 401
    assert kept.monarq("tokens", "revoke", "other").returncode == 1
    assert "revoked" in kept.monarq("tokens", "list").stdout


def test_users_are_listed_granted_and_deleted(kept: Stage) -> None:
    assert "no user; add one" in kept.monarq("users", "list").stderr
    kept.monarq("users", "create", "ben", "--no-password", "--role", "viewer")
    again = kept.monarq("users", "create", "BEN", "--no-password")
    assert (again.returncode, "already" in again.stderr) == (2, True)
    granted = kept.monarq(
        "users", "grant", "ben", "--role", "operator", "-k", "mail.*", "--from", "10.0.0.0/8"
    )
    assert granted.stdout == "ben: operator (kinds mail.*, networks 10.0.0.0/8)\n"
    [user] = json.loads(kept.monarq("users", "list", "--json").stdout)
    assert user["grants"] == [{"role": "operator", "kinds": ["mail.*"], "networks": ["10.0.0.0/8"]}]
    assert kept.monarq("users", "enable", "ben").returncode == 0
    assert kept.monarq("users", "password", "ben", stdin=PASSWORD).returncode == 0
    assert kept.monarq("users", "delete", "ben").returncode == 0
    assert kept.monarq("users", "delete", "ben").returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("users", "create", "a b", "--no-password"),
        ("users", "create", "ben", "--no-password", "--role", "nobody"),
        ("users", "create", "ben", "--no-password", "--role", "viewer", "--queue", "a b"),
        ("users", "create", "ben", "--no-password", "--role", "viewer", "--from", "nowhere"),
        ("users", "create", "ben"),
        ("tokens", "create", "ci", "--role", "viewer", "--owner", "nobody"),
        ("tokens", "create", "ci", "--role", "viewer", "--days", "400"),
    ],
)
def test_what_cannot_be_is_a_matter_of_usage(kept: Stage, arguments: tuple[str, ...]) -> None:
    ended = kept.monarq(*arguments, stdin="short\n")
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_postgresql_the_entries_for_the_settings_are_printed(stage: Stage) -> None:
    refused = stage.monarq("users", "create", "ann", "--role", "admin", stdin=PASSWORD)
    assert (refused.returncode, "MONARQ_DATABASE_URL" in refused.stderr) == (1, True)
    users = stage.monarq("users", "create", "ann", "--role", "admin", "--print", stdin=PASSWORD).stdout
    made = stage.monarq("tokens", "create", "ci", "--role", "viewer", "--print")
    tokens = made.stderr.partition("MONARQ_DASHBOARD_TOKENS: ")[2]
    port = str(free_port())
    stage.start(
        "dashboard", "--port", port, MONARQ_DASHBOARD_USERS=users, MONARQ_DASHBOARD_TOKENS=tokens
    ).says("monarq dashboard:")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_for(client)
        login = client.post("/v1/sessions", json={"name": "ann", "password": PASSWORD})
        assert login.status_code == 201
        header = {"authorization": f"Bearer {made.stdout.strip()}"}
        assert client.get("/v1/queues", headers=header).status_code == 200


def test_it_listens_to_others_only_behind_tls(bare_stage: Stage) -> None:
    refused = bare_stage.monarq("dashboard", "--host", "0.0.0.0")
    assert (refused.returncode, "MONARQ_DASHBOARD_URL" in refused.stderr) == (78, True)
    plain = bare_stage.monarq("dashboard", MONARQ_DASHBOARD_URL="http://ops.example.com")
    assert (plain.returncode, "https://" in plain.stderr) == (78, True)


def test_a_port_that_is_taken_is_told_as_such(stage: Stage) -> None:
    port = stage.environ["MONARQ_REDIS_URL"].rpartition(":")[2].partition("/")[0]
    ended = stage.monarq("dashboard", "--port", port)
    assert ended.returncode == 78
    assert "Traceback" not in ended.stderr


def test_a_key_can_be_used_as_it_is_printed(bare_stage: Stage) -> None:
    for options in ((), ("--hs256",)):
        key = bare_stage.monarq("tokens", "key", *options).stdout.strip()
        assert re.fullmatch(r"(ed25519|hs256):[\w-]{43}", key)
    wrong = bare_stage.monarq("dashboard", MONARQ_DASHBOARD_SIGNING_KEYS="hunter2")
    assert wrong.returncode == 78
    assert "hunter2" not in wrong.stderr


def wait_for(client: httpx.Client) -> None:
    """Until it answers."""
    from .stage import eventually

    def answers() -> bool:
        try:
            return client.get("/livez").status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers)
