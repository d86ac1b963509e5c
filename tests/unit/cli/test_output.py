"""What listings look like where no terminal is."""

import json
from datetime import UTC, datetime

import pytest

from monarq.jobs.cli.output import print_json, print_table


def test_a_pipe_gets_one_line_per_row_and_a_tab_between_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("id", "error"), [{"id": "a", "error": None}], nothing="none")
    assert capsys.readouterr().out == "id\terror\na\t-\n"


def test_a_cell_never_breaks_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("error",), [{"error": "one\ttwo\nthree"}], nothing="none")
    assert capsys.readouterr().out == "error\none two three\n"


def test_an_empty_listing_prints_nothing_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("id",), [], nothing="no dead letters")
    assert capsys.readouterr() == ("", "no dead letters\n")


def test_json_takes_what_json_has_no_form_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": datetime(2030, 1, 1, tzinfo=UTC), "other": object})
    assert json.loads(capsys.readouterr().out)["at"].startswith("2030-01-01")
