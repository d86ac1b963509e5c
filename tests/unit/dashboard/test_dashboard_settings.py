"""Settings of the dashboard: closed by default, faults told at once, secrets never."""

from pathlib import Path

import pytest

from monarq.dashboard.settings import DashboardSettings, load_dashboard_settings
from monarq.jobs.errors import ConfigError
from monarq.jobs.settings import unknown_names


@pytest.mark.parametrize(
    "url", ["http://ops.example.com", "ftp://x", "ops.example.com", "https://a:b@c", "https://a?x"]
)
def test_an_address_without_tls_is_loopback_or_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        DashboardSettings(url=url)
    assert DashboardSettings(url="http://localhost:8080/").url == "http://localhost:8080"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "ops.example.com"])
def test_it_listens_to_others_only_if_it_is_said_how_they_come_safely(host: str) -> None:
    with pytest.raises(ConfigError, match="MONARQ_DASHBOARD_URL"):
        DashboardSettings(host=host).as_served()
    served = DashboardSettings(host=host, url="https://ops.example.com/monarq").as_served()
    assert served.url == "https://ops.example.com/monarq"


def test_by_default_it_listens_on_loopback_and_issues_no_jwt() -> None:
    settings = DashboardSettings().as_served()
    assert (settings.host, settings.url, settings.signing_keys) == (
        "127.0.0.1",
        "http://127.0.0.1:8080",
        None,
    )


@pytest.mark.parametrize("algorithm", ["HS256", "none", "None", "HS512", "RS1"])
def test_an_outside_issuer_signs_with_no_secret(algorithm: str) -> None:
    issuer = {"issuer": "x", "audience": "y", "jwks_url": "https://x/jwks", "groups": {}}
    DashboardSettings(issuers=(issuer,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="algorithms"):
        DashboardSettings(issuers=(issuer | {"algorithms": [algorithm]},))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="https"):
        DashboardSettings(issuers=(issuer | {"jwks_url": "http://x.example/jwks"},))  # type: ignore[arg-type]


def test_a_fault_repeats_nothing_of_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_DASHBOARD_USERS", '{"ann": {"password": "hunter2", "grants": [{"role": 7}]}}')
    monkeypatch.setenv("MONARQ_DASHBOARD_TOKENS", "hunter2")
    monkeypatch.setenv("MONARQ_DASHBOARD_PASSWORT", "hunter2")
    with pytest.raises(ConfigError) as told:
        load_dashboard_settings()
    assert "hunter2" not in str(told.value)
    assert "MONARQ_DASHBOARD_PASSWORT: no such setting" in str(told.value)


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    users, keys = tmp_path / "users", tmp_path / "keys"
    users.write_text('{"ann": {"password": "x", "grants": [{"role": "viewer"}]}}\n')
    keys.write_text("hs256:abc\n")
    monkeypatch.setenv("MONARQ_DASHBOARD_USERS_FILE", str(users))
    monkeypatch.setenv("MONARQ_DASHBOARD_SIGNING_KEYS_FILE", str(keys))
    settings = load_dashboard_settings()
    assert settings.users["ann"].grants[0].role == "viewer"
    assert settings.signing_keys is not None
    assert settings.signing_keys.get_secret_value() == "hs256:abc"
    users.write_text("hunter2")
    with pytest.raises(ConfigError, match="it holds no JSON"):
        load_dashboard_settings()


def test_the_port_of_the_platform_is_taken_unless_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")  # a shell's way of taking it away
    assert load_dashboard_settings().port == 8080
    monkeypatch.setenv("PORT", "5005")
    assert load_dashboard_settings().port == 5005
    assert load_dashboard_settings(port=6006).port == 6006
    monkeypatch.setenv("MONARQ_DASHBOARD_PORT", "7007")
    assert load_dashboard_settings().port == 7007


def test_a_role_of_ones_own_is_not_named_like_one_that_comes_along() -> None:
    assert "on-call" in DashboardSettings(roles={"on-call": ("jobs:read",)}).all_roles()
    with pytest.raises(ValueError, match="comes along"):
        DashboardSettings(roles={"viewer": ("users:write",)})
    with pytest.raises(ValueError, match="no permission"):
        DashboardSettings(roles={"on-call": ("jobs:raed",)})


def test_other_processes_do_not_judge_names_of_the_dashboard() -> None:
    faults = unknown_names({"MONARQ_DASHBOARD_URL": "x", "MONARQ_NONSENSE": "y"})
    assert [fault.partition(":")[0] for fault in faults] == ["MONARQ_NONSENSE"]
