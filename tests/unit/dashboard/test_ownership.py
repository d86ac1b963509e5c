"""Who made a job is a tag of it."""

from monarq.dashboard.access.ownership import owner_among, owner_tag, plain_tags
from monarq.jobs.tags import check_tags


def test_every_subject_makes_a_tag_of_its_own() -> None:
    subjects = ["user:1", "user:2", "token:1", "https://id.example.com/#ann ✓", ""]
    tags = check_tags([owner_tag(subject) for subject in subjects])
    assert len(tags) == len(subjects)


def test_an_owner_is_found_among_the_tags_and_nobody_else_is() -> None:
    tags = ["eu", owner_tag("user:1")]
    assert owner_among(tags, "user:1") == "user:1"
    assert owner_among(tags, "user:2") is None
    assert owner_among([], "user:1") is None
    assert plain_tags(tags) == ["eu"]
