import pytest

from training.quantize import Measured, choose_precision, spread


@pytest.mark.parametrize(
    ("milliseconds", "auroc", "chosen", "why"),
    [
        (2.0, 0.900, "int8", "int8 takes 0.50 x the time of float32"),
        (2.0, 0.896, "int8", "differs by -0.0040 (-0.005 allowed)"),
        (2.0, 0.910, "int8", "differs by +0.0100"),
        (2.0, 0.890, "float32", "loses 0.0100 AUROC on the held-out images, more than the 0.005 allowed"),
        (4.0, 0.900, "float32", "no faster here: 1.00 x"),
        (6.0, 0.900, "float32", "no faster here: 1.50 x"),
    ],
)
def test_int8_is_chosen_only_when_accurate_and_faster(milliseconds: float, auroc: float, chosen: str, why: str) -> None:
    variants = choose_precision(Measured(14, 4.0, 0.9), Measured(4, milliseconds, auroc), most_loss=0.005)
    assert [name for name, variant in variants.items() if variant.chosen] == [chosen]
    assert all(why in variant.why for variant in variants.values())
    assert (variants["float32"].bytes, variants["int8"].bytes) == (14, 4)


@pytest.mark.parametrize(("count", "most", "expected"), [(3, 8, [0, 1, 2]), (9, 3, [0, 4, 8]), (1, 8, [0])])
def test_spread(count: int, most: int, expected: list[int]) -> None:
    assert spread(count, most).tolist() == expected
