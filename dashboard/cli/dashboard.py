"""`monarq dashboard`: serve the pages and the HTTP API."""

from __future__ import annotations

import signal
from socket import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.session import read_settings
from monarq.jobs.errors import ConfigError
from monarq.jobs.settings import Settings

from .needed import dashboard_packages
from .users import login_address

if TYPE_CHECKING:
    from ..services.services import Services
    from ..settings import DashboardSettings
    from ..vitals import DashboardVitals

app = new_commands()

#: Seconds that requests under way have when it is told to stop.
_DRAIN = 5
#: Bytes that a WebSocket may send at once: nothing is wanted of it.
_LARGEST_MESSAGE = 4096


@app.command()
def dashboard(
    host: Annotated[
        str | None, typer.Option(help="Where to listen.  [MONARQ_DASHBOARD_HOST]  Default: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="[MONARQ_DASHBOARD_PORT, or PORT]  Default: 8080.")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Metrics and probes; 0: none.  [MONARQ_METRICS_PORT]  Default: 9462."
        ),
    ] = None,
    login: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Print an address that logs this user in, once; who is not there yet is added, as an admin.",
        ),
    ] = None,
) -> None:
    """Serve the dashboard and the HTTP API.

    Nothing of it is open: users come by `monarq users`, tokens by `monarq tokens`.

    It listens on loopback only, unless MONARQ_DASHBOARD_URL says under which https:// address a proxy in
    front of it is reached.
    """
    settings = read_settings(metrics_port=metrics_port)
    with dashboard_packages():
        from ..settings import load_dashboard_settings
    own = load_dashboard_settings(host=host, port=port).as_served()
    _serve(settings, own, own.address if login is None else login_address(own, login))


def _serve(settings: Settings, own: DashboardSettings, told: str) -> None:
    with dashboard_packages():
        import uvicorn

    opened: list[tuple[Services, DashboardVitals]] = []

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket] | None = None) -> None:
            # it waits for all that is connected, and streams are connected for ever
            for services, _ in opened:
                services.let_go()
            await super().shutdown(sockets)
            for _, vitals in opened:
                vitals.end()

    server = Server(
        uvicorn.Config(
            _app_factory(settings, own, opened),
            factory=True,
            host=own.host,
            port=own.port,
            log_config=None,
            access_log=False,
            server_header=False,
            # what proxies say is judged by the app, which knows whom to believe
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN,
            ws_max_size=_LARGEST_MESSAGE,
            lifespan="on",
        )
    )
    # uvicorn raises the signal again when it has stopped: stopping when told to is no failure
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    typer.echo(f"monarq dashboard: {told}", err=True)
    try:
        server.run()
    except SystemExit:  # by uvicorn, which has logged why
        raise ConfigError([f"cannot listen on {own.host}:{own.port}"]) from None


def _app_factory(
    settings: Settings, own: DashboardSettings, opened: list[tuple[Services, DashboardVitals]]
) -> Any:
    def make() -> Any:
        # in the event loop that it runs in
        from ..app import create_app
        from ..services.services import open_services
        from ..vitals import DashboardVitals

        services = open_services(settings, own)
        vitals = DashboardVitals(services, settings)
        vitals.begin()
        opened.append((services, vitals))
        return create_app(services, closes_services=True)

    return make
