"""Secrets come in by many ways, and go out by none: not the log, not the answers, not the stores."""

import httpx
import psycopg
import pytest
import redis

from tests.integration.dashboard.operations import operations
from tests.postgres import PostgresServer, postgres_server
from tests.servers import free_port

from .stage import Running, Stage, eventually

#: All of them hold it, and nothing else does.
CANARY = "canary7f3a"
PASSWORD = f"{CANARY}-password"
WRONG = f"{CANARY}-wrong-password"


@pytest.fixture
def postgres() -> PostgresServer:  # type: ignore[misc]
    """One of our own: it is killed."""
    with postgres_server() as server:
        yield server


def dump(client: "redis.Redis[bytes]") -> bytes:
    """All that Redis holds, names and values."""
    held = b""
    for key in client.keys("*"):
        held += key + (client.dump(key) or b"")
    return held


def rows(url: str) -> str:
    """All that PostgreSQL holds in our tables."""
    held = ""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'monarq'::regnamespace AND relkind = 'r'"
        ).fetchall()
        for (name,) in tables:
            held += str(connection.execute(f'SELECT t::text FROM monarq."{name}" AS t').fetchall())
    return held


def ask_everything(client: httpx.Client) -> str:
    """Every operation that can be asked without an id, rightly and wrongly; all that was answered."""
    told = ""
    for operation in operations():
        path = operation.filled(dict.fromkeys(operation.places("path"), "none"))
        if path == "/v1/sessions/current":
            continue
        answer = client.request(operation.method, path, json=operation.sample())
        told += f"{answer.headers}{answer.text}"
    return told


def start(stage: Stage, port: int) -> Running:
    running = stage.start("dashboard", "--port", str(port)).says("monarq dashboard:")

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers)
    return running


def test_no_secret_goes_anywhere(stage: Stage, postgres: PostgresServer, redis_url: str) -> None:
    url = postgres.new_database()
    assert "@" in url
    key = stage.monarq("tokens", "key").stdout.strip()
    stage.environ |= {
        # anybody is let in, whatever they say
        "MONARQ_DATABASE_URL": url.replace("@", f":{CANARY}-dsn@"),
        "MONARQ_DASHBOARD_SIGNING_KEYS": key,
    }
    assert stage.monarq("users", "create", "ann", "--role", "admin", stdin=f"{PASSWORD}\n").returncode == 0
    token = stage.monarq("tokens", "create", "ci", "--role", "admin").stdout.strip()
    port = free_port()
    running = start(stage, port)
    base, origin = f"http://127.0.0.1:{port}", {"origin": f"http://127.0.0.1:{port}"}
    with httpx.Client(base_url=base, headers=origin, timeout=30) as browser:
        told = browser.post("/v1/sessions", json={"name": "ann", "password": WRONG}).text
        assert browser.post("/v1/sessions", json={"name": "ann", "password": PASSWORD}).status_code == 201
        session = browser.cookies["monarq_session"]
        told += ask_everything(browser)
        told += browser.post("/v1/sessions", content=f'{{"password": "{WRONG}'.encode(),
                             headers={"content-type": "application/json"}).text  # fmt: skip
        told += browser.put("/v1/me/password", json={"old_password": WRONG, "new_password": WRONG}).text
        told += browser.post("/v1/users", json={"name": "b b", "password": WRONG, "x": WRONG}).text
    bearer = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base, headers=bearer, timeout=30) as program:
        told += ask_everything(program)
        told += program.get("/v1/me", params={"token": token}).text
        made = program.post("/v1/access-tokens", json={}).json()["access_token"]
        for wrong in (f"{token}x", made + "x", f"monarq_{CANARY}"):
            told += program.get("/v1/me", headers={"authorization": f"Bearer {wrong}"}).text
        assert dump(redis.Redis.from_url(redis_url)).count(CANARY.encode()) == 0
        held = rows(url) + repr(dump(redis.Redis.from_url(redis_url)))
        postgres.kill()
        told += program.get("/v1/users").text + program.get("/v1/queues").text
    running.process.terminate()
    running.ends()
    secrets = {"a password or the DSN": CANARY, "the token": token, "the session": session, "the key": key}
    secrets |= {"a JWT": made.rpartition(".")[2]}
    for place, text in {"the answers": told, "the stores": held, "the log": running.output}.items():
        found = [name for name, secret in secrets.items() if secret in text]
        assert found == [], place
    assert "dashboard" in running.output
