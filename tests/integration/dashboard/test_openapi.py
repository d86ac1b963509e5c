"""What the OpenAPI document says is what the API does, whatever is sent.

Requests are made by schemathesis from the document, wrong ones too, and asked of a real server as an admin.
"""

import os
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi import checks

from monarq.dashboard.app import openapi_document
from tests.integration.cli.stage import Stage, eventually
from tests.postgres import PostgresServer
from tests.servers import ValkeyServer, free_port

api = schemathesis.openapi.from_dict(openapi_document())
_EXAMPLES = int(os.environ.get("API_EXAMPLES", "6"))
_CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


class Server:
    """A dashboard in a process of its own, and an admin's token for it."""

    def __init__(self, stage: Stage, token: str, url: str) -> None:
        self.stage, self.url = stage, url
        self.headers = {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> "Server":  # type: ignore[misc]
    folder: Path = tmp_path_factory.mktemp("api")
    with ValkeyServer() as valkey:
        stage, port = Stage(folder, valkey.url), str(free_port())
        stage.environ |= {
            "MONARQ_DATABASE_URL": postgres.new_database(),
            "MONARQ_JOBS": "monarq.jobs.catalog",
            "MONARQ_DASHBOARD_READS_PER_MINUTE": "1000000",
            "MONARQ_DASHBOARD_WRITES_PER_MINUTE": "1000000",
            "MONARQ_DASHBOARD_ENQUEUES_PER_MINUTE": "1000000",
            "MONARQ_DASHBOARD_SIGNING_KEYS": stage.monarq("tokens", "key").stdout.strip(),
        }
        token = stage.monarq("tokens", "create", "fuzz", "--role", "admin").stdout.strip()
        stage.start("dashboard", "--port", port).says("monarq dashboard:")
        made = Server(stage, token, f"http://127.0.0.1:{port}")
        eventually(lambda: _answers(made.url))
        yield made
        stage.clear()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


@api.parametrize()
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_does_what_its_document_says(case: schemathesis.Case, server: Server) -> None:
    case.call_and_validate(base_url=server.url, headers=server.headers, checks=_CHECKS)
    assert server.stage._started[0].process.poll() is None
