"""What holds for every page: who may see it, how it is told what went wrong, and how it travels."""

from .house import House


async def test_the_settings_page_shows(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    answer = await browser.get("/settings")
    assert answer.status_code == 200, answer.text
