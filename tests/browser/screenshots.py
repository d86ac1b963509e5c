"""Takes the pictures of docs/images, in both themes, of a stack filled for them: `make screenshots`."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.postgres import postgres_server

from .chromium import chromium
from .day import customers, make_week, roll_up
from .stack import ROOT, Stack

FOLDER = ROOT / "docs" / "images"
_SIZE = {"width": 1280, "height": 800}
#: The name of the picture, and the page.
_PICTURES = {
    "overview": "/",
    "failures": "/failures",
    "job": "/jobs/{job_id}",
    "queue": "/queues/payments",
    "insights": "/insights",
}


def main() -> None:
    """Take all of them."""
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="monarq-screenshots-")))
        postgres = opened.enter_context(postgres_server())
        environ = {
            "MONARQ_DASHBOARD_ENVIRONMENT": "production",
            "MONARQ_DASHBOARD_ENVIRONMENT_COLOUR": "red",
        }
        stack = opened.enter_context(Stack(folder, postgres.new_database(), **environ))
        make_week(stack)
        roll_up(stack)
        dead = _a_dead_job(stack)
        stack.worker(queues="default,mail,payments,reports")
        stack.worker(queues="mail,default")
        opened.enter_context(customers(stack))
        secret = stack.login({"role": "admin"}, name="ann")
        browser = opened.enter_context(chromium())
        for theme in ("light", "dark"):
            page = _logged_in(browser, stack, theme, secret)
            for name, path in _PICTURES.items():
                page.goto(path.format(job_id=dead))
                page.wait_for_load_state("networkidle") if name != "overview" else page.wait_for_timeout(500)
                _keep(page, FOLDER / f"{name}-{theme}.png")
            page.context.close()


def _logged_in(browser: Browser, stack: Stack, theme: str, secret: str) -> Page:
    context = browser.new_context(
        base_url=stack.url,
        color_scheme=theme,  # type: ignore[arg-type]
        viewport=_SIZE,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    context.add_cookies([{"name": "monarq_session", "value": secret, "url": stack.url}])
    return context.new_page()


def _a_dead_job(stack: Stack) -> str:
    with stack.api() as api:
        letters = api.get("/v1/dead-letters", params={"limit": 1}).json()
    return str(letters["items"][0]["job_id"])


def _keep(page: Page, path: Path) -> None:
    """As a picture of few colours: a third of the bytes, and nobody sees a difference."""
    page.screenshot(path=path)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
