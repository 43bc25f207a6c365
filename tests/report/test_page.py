"""One page: whole, escaped, self-contained."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lrtool import schedules
from lrtool.errors import ArgumentError
from lrtool.report import (
    Section,
    importance,
    page,
    range_test_section,
    result_html,
    schedule_html,
    search_section,
    suggestion_html,
    write_report,
)
from lrtool.result import RangeTestResult
from lrtool.search.reuse import FINGERPRINT
from support.pages import a_study, nasty_page
from support.results import NASTY, a_result, a_suggestion, no_pick, nothing_finite

VOID = {"meta", "link", "img", "source", "br", "hr"}


class Tags(HTMLParser):
    """Every tag and attribute; fails where tags do not nest."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.seen}


def test_nothing_from_outside_becomes_markup() -> None:
    tags = Tags(nasty_page())
    assert "script" not in tags.names
    assert not [name for _, attrs in tags.seen for name in attrs if name.startswith("on")]


def test_nasty_names_are_shown_as_they_are(tmp_path: Path) -> None:
    document = nasty_page()
    shown = re.sub(r"<[^>]*>", "", document)
    assert shown.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;") > 8


def test_the_page_points_nowhere_else() -> None:
    tags = Tags(nasty_page())
    targets = [
        value
        for _, attrs in tags.seen
        for name, value in attrs.items()
        if name in {"src", "href", "srcset", "action", "data"} and value
    ]
    assert targets
    assert all(target.startswith(("data:", "#")) for target in targets)
    assert "url(" not in nasty_page()
    policy = next(a for _, a in tags.seen if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])


def test_pictures_come_light_and_dark_and_have_words() -> None:
    tags = Tags(nasty_page())
    images = [attrs for tag, attrs in tags.seen if tag == "img"]
    sources = [attrs for tag, attrs in tags.seen if tag == "source"]
    assert len(images) == 5
    assert len(sources) == 15
    assert all(attrs["alt"] for attrs in images)
    assert all("screen" in str(attrs["media"]) for attrs in sources)  # paper is white
    assert sum("dark" in str(attrs["media"]) for attrs in sources) == 10
    addresses = [str(attrs["src"]) for attrs in images] + [str(s["srcset"]) for s in sources]
    assert len(set(addresses)) == 20
    for address in addresses:
        picture = base64.b64decode(address.partition("base64,")[2])
        assert picture.lstrip().startswith(b"<?xml")
        assert b"<script" not in picture


def test_the_saved_measurement_is_the_measurement() -> None:
    result = a_result()
    tags = Tags(page("t", [range_test_section(result)]))
    link = next(attrs for tag, attrs in tags.seen if tag == "a" and "download" in attrs)
    saved = json.loads(base64.b64decode(str(link["href"]).partition("base64,")[2]))
    assert RangeTestResult.from_dict(saved) == result


def test_the_same_result_gives_the_same_page() -> None:
    first, second = (page("t", [range_test_section(a_result())]) for _ in range(2))
    assert first == second


def test_the_mark_that_a_search_knows_a_measurement_by_is_not_shown() -> None:
    context = {FINGERPRINT: "5d41402abc4b", "lr": [0.02], "batch_size": 8, "seed": None}
    shown = range_test_section(replace(a_result(), context=context)).html.partition("<a ")[0]
    assert "5d41402abc4b" not in shown
    assert FINGERPRINT not in shown
    assert re.search(r"lr before</t[dh]><td[^>]*>.*0\.02", shown)
    assert "batch_size" in shown
    assert "seed" not in shown


def test_headings_are_linked() -> None:
    document = page("t", [Section("one", ""), Section("two", "")])
    assert '<a href="#s1">two</a>' in document
    assert '<h2 id="s1">two</h2>' in document


@pytest.mark.parametrize("result", [no_pick(), nothing_finite()], ids=["flat", "nan"])
def test_without_a_pick_there_are_dashes_and_the_reason(result: RangeTestResult) -> None:
    document = page("t", [range_test_section(result)])
    assert "nan" not in re.sub(r'(src|srcset|href)="data:[^"]*"', "", document)
    assert result.suggestion.reason in document
    assert result.suggestion.reason in result_html(result)


def test_fragments_are_safe_too() -> None:
    for fragment in (
        result_html(a_result(NASTY)),
        suggestion_html(a_suggestion(NASTY)),
        schedule_html(schedules.one_cycle(max_lr=0.1, total_steps=100)),
        schedule_html(schedules.triangular(max_lr=1.0, min_lr=0.1, step_size_up=5)),
    ):
        assert "script" not in Tags(fragment).names


def test_finished_objects_show_themselves() -> None:
    schedule = schedules.one_cycle(max_lr=0.123456789, total_steps=100)
    for thing in (a_result(), a_suggestion(), schedule):
        fragment = thing._repr_html_()
        assert Tags(fragment).names >= {"p"}
    assert "max_lr=0.1235, total_steps=100" in schedule._repr_html_()


def test_a_result_writes_its_own_page(tmp_path: Path) -> None:
    written = a_result().report(tmp_path / "r.html")
    assert "Range test" in written.read_text(encoding="utf-8")


def test_a_page_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "r.html"
    target.write_text("the old one")
    monkeypatch.setattr(Path, "replace", _fail)
    with pytest.raises(OSError, match="disk"):
        write_report(target, [Section("one", "")], title="t")
    assert target.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [target]


def test_two_workers_may_write_the_same_page_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, real = tmp_path / "r.html", Path.replace

    def meanwhile(path: Path, to: Path) -> Path:
        monkeypatch.setattr(Path, "replace", real)
        write_report(target, [Section("the other's", "")], title="t")
        return real(path, to)

    monkeypatch.setattr(Path, "replace", meanwhile)
    write_report(target, [Section("mine", "")], title="t")
    assert "mine" in target.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [target]


def _fail(*_: object) -> None:
    raise OSError("no space left on the disk")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="folder of a report must exist"):
        write_report(tmp_path / "no" / "r.html", [], title="t")


def test_importance_finds_the_parameter_that_matters() -> None:
    shares = importance(a_study(trials=40))
    assert max(shares, key=shares.__getitem__) == "max_lr"
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_says_nothing_of_a_handful_of_trials() -> None:
    assert importance(a_study(trials=3)) == {}


def test_trials_are_listed_with_their_parameters() -> None:
    study = a_study(trials=3)
    html = search_section({"": study}).html
    assert html.count("<tr>") == 4
    assert "max_lr" in html
