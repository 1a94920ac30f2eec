"""The operating picture: an SVG that says what the thresholds do, also where they promise nothing."""

from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from data.costs import Costs
from data.decide import Aims, choose_thresholds, expected_bill
from training.operating import bills, operating_figure

PRICES = Costs(escape=120, good_rejected=18, review=1.5, currency="USD")


def held_out(defects: int, goods: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    random = np.random.default_rng(0)
    return np.concatenate([random.beta(5, 1, defects), random.beta(1, 6, goods)]), np.arange(defects + goods) < defects


def texts(svg: str) -> str:
    return " | ".join(
        element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")
    )


def test_the_figure_says_what_the_chosen_thresholds_do() -> None:
    scores, defect = held_out(400, 600)
    aims = Aims(defect_rate=0.03)
    thresholds, guarantee = choose_thresholds(scores, defect, aims)
    said = texts(operating_figure(scores, defect, thresholds, guarantee, 0.03))
    assert guarantee.bill is not None
    assert f"escape rate, {100 * guarantee.escape.observed / 400:.3g}% as chosen" in said
    assert f"overkill rate, {guarantee.bill.overkill / 9.7:.3g}% as chosen" in said
    assert f"review load at 3% defective, {guarantee.bill.reviews / 10:.3g}% as chosen" in said
    assert "limit 2%" in said
    assert "REJECT starts" in said


def test_the_legends_lie_within_the_figure() -> None:
    scores, defect = held_out(400, 600)
    thresholds, guarantee = choose_thresholds(scores, defect, Aims())
    root = ElementTree.fromstring(operating_figure(scores, defect, thresholds, guarantee, 0.351))
    width = float(root.attrib["viewBox"].split()[2])
    words = [one for one in root.iter() if one.tag.endswith("}text") and "font-size: 9px" in one.attrib["style"]]
    assert len(words) == 9
    for one in words:
        assert float(one.attrib["x"]) + 0.6 * 9 * len(one.text or "") < width


@pytest.mark.parametrize(("defects", "goods"), [(10, 20), (1, 1)])
def test_too_few_images_for_any_promise_still_make_a_figure(defects: int, goods: int) -> None:
    scores, defect = held_out(defects, goods)
    thresholds, guarantee = choose_thresholds(scores, defect, Aims())
    said = texts(operating_figure(scores, defect, thresholds, guarantee, 0.03))
    assert "overkill rate, 100% as chosen" in said
    assert "REJECT starts" not in said


def test_scores_at_the_very_ends_still_make_a_figure() -> None:
    defect = np.arange(1000) < 400
    thresholds, guarantee = choose_thresholds(defect.astype(float), defect, Aims())
    said = texts(operating_figure(defect.astype(float), defect, thresholds, guarantee, 0.4))
    assert "escape rate, 0% as chosen" in said
    assert "overkill rate, 0% as chosen" in said


def test_the_bills_stand_beside_what_else_could_be_chosen() -> None:
    scores, defect = held_out(400, 600)
    aims = Aims(defect_rate=0.03, costs=PRICES)
    thresholds, guarantee = choose_thresholds(scores, defect, aims)
    chosen, widest, habit = bills(scores, defect, thresholds, aims)
    assert chosen == ("Chosen", guarantee.bill)
    assert (chosen[1].money or 0) < (widest[1].money or 0)
    assert habit[0].startswith("0.5")
    assert habit[1].reviews == 0


def test_the_widest_thresholds_are_not_shown_twice() -> None:
    scores, defect = held_out(400, 600)
    thresholds, _ = choose_thresholds(scores, defect, Aims())
    (name, bill), (habit, _) = bills(scores, defect, thresholds, Aims())
    assert (name, bill) == ("Chosen", expected_bill(scores, defect, thresholds, Aims()))
    assert habit.startswith("0.5")
