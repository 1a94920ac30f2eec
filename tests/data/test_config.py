"""Configuration: a wrong key is named, never ignored."""

from pathlib import Path

import pytest

from data.config import load_config
from data.errors import InputError
from data.record import Record


class Fit(Record):
    epochs: int = 3
    rate: float = 0.1


class Run(Record):
    name: str
    fit: Fit = Fit()


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    return file


def test_overrides_reach_nested_keys(tmp_path: Path) -> None:
    run = load_config(write(tmp_path, "name: a\nfit:\n  epochs: 5\n"), Run, ["fit.rate=0.5", "name=b"])
    assert run == Run(name="b", fit=Fit(epochs=5, rate=0.5))


def test_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes("name: 刮痕".encode("big5"))
    with pytest.raises(InputError, match=r"run\.yaml is not text in UTF-8"):
        load_config(tmp_path / "run.yaml", Run)


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("name: a\nepoch: 3\n", [], "epoch: unknown key"),
        ("name: a\nfit:\n  epoch: 3\n", [], r"fit\.epoch: unknown key"),
        ("fit: {}\n", [], "name: Field required"),
        ("name: a\n", ["fit.epochs=many"], r"fit\.epochs: Input should be a valid integer"),
        ("name: a\n", ["fit.epoch=3"], r"fit\.epoch: unknown key"),
        ("name: a\n", ["epochs"], "not of the form"),
        ("name: a\n", ["name.sub=1"], "name is a value, not a group"),
        ("- a\n", [], "must hold keys and values"),
        ("name: [a\n", [], "not valid YAML"),
    ],
)
def test_a_mistake_is_one_clear_sentence(tmp_path: Path, text: str, overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_config(write(tmp_path, text), Run, overrides)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml cannot be read"):
        load_config(tmp_path / "nowhere.yaml", Run)
