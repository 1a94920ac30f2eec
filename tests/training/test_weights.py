from pathlib import Path

import pytest
import torch

from data.errors import InputError
from training.weights import load_backbone


def test_packaged_weights_are_the_pretrained_ones() -> None:
    first, second = (
        load_backbone("tf_efficientnet_lite0").state_dict(),
        load_backbone("tf_efficientnet_lite0").state_dict(),
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    # Trained batch normalisation has seen images: a fresh one has mean 0 and variance 1.
    assert not torch.equal(first["bn1.running_mean"], torch.zeros(32))


def test_local_file_wins_and_is_taken_by_name(tmp_path: Path) -> None:
    state = load_backbone("tf_efficientnet_lite0").state_dict()
    state["bn1.bias"] = torch.full((32,), 7.0)
    torch.save(state, tmp_path / "own.pth")
    assert load_backbone("tf_efficientnet_lite0", tmp_path / "own.pth").state_dict()["bn1.bias"][0] == 7


def test_file_of_another_backbone_is_refused(tmp_path: Path) -> None:
    state = load_backbone("tf_efficientnet_lite0").state_dict()
    state["conv_stem.weight"] = torch.zeros(16, 3, 3, 3)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"conv_stem.weight needs \[32, 3, 3, 3\], the file has \[16, 3, 3, 3\]"):
        load_backbone("tf_efficientnet_lite0", tmp_path / "other.pth")


def test_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(InputError, match="not a readable state_dict"):
        load_backbone("tf_efficientnet_lite0", tmp_path / "text.pth")
