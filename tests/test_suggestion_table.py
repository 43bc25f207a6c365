"""The table of suggesters."""

import numpy as np

from lrtool.curve import LossCurve
from lrtool.result import RangeTestResult
from lrtool.suggest import SUGGESTERS, Suggestion, compare, suggest
from lrtool.types import Status
from support.curves import curve_with


def test_every_suggester_has_a_row_with_its_own_answer() -> None:
    curve = curve_with()
    table = compare(curve, optimizer="Adam")
    assert set(table.suggestions) == set(SUGGESTERS)
    assert all(table[name] == suggest(curve, name, optimizer="Adam") for name in SUGGESTERS)
    assert f"{table['steepest'].lr:.3g}" in str(table)
    assert len({len(row) for row in table.rows}) == 1


def test_your_own_suggester_stands_beside_them_and_html_is_escaped() -> None:
    def mine(curve: LossCurve) -> Suggestion:
        return Suggestion(0.1, 0.01, 1.0, (0.05, 0.2), "<mine>", Status.CLEAR, "because")

    table = compare(curve_with(), {"<mine>": mine})
    assert table["<mine>"].lr == 0.1
    assert "&lt;mine&gt;" in table._repr_html_()


def test_no_pick_is_a_dash() -> None:
    table = compare(LossCurve(np.geomspace(1e-3, 1, 30), np.ones(30)))
    assert all(row[1] == "-" and row[-1] == "no_descent" for row in table.rows)


def test_a_result_compares_with_the_optimizer_it_was_measured_with() -> None:
    curve = curve_with()
    found = RangeTestResult(curve, suggest(curve), context={"optimizer": "Adam"})
    assert str(found.compare()) == str(compare(curve, optimizer="Adam"))
