"""axe-core, asked of a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_SERIOUS = ("serious", "critical")


def serious_findings(page: Page, *, only_colours: bool = False) -> list[str]:
    """What axe finds serious: the rule, what it says, and where.

    Args:
        only_colours: For another theme of a page that was looked at: nothing else differs.
    """
    everything = {"type": "tag", "values": _RULES}
    options = {
        "runOnly": {"type": "rule", "values": ["color-contrast"]} if only_colours else everything,
        "resultTypes": ["violations"],
        # of shadow roots axe would copy the styles into elements of its own, which our policy blocks
        "preload": False,
    }
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{finding['id']}: {finding['help']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for finding in found
        if finding["impact"] in _SERIOUS
        for node in finding["nodes"]
    ]
