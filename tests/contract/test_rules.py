"""The contract itself: what it would not tell if it were broken."""

from collections import Counter

from .contract import StoreContract


def test_no_rule_hides_another_of_the_same_name() -> None:
    """The rules are one class by inheritance, where a name that is given twice silently counts once."""
    names = Counter(
        name for rules in StoreContract.__bases__ for name in vars(rules) if name.startswith("test_")
    )
    assert [name for name, count in names.items() if count > 1] == []
