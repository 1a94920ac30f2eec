"""YAML files into typed models, with `a.b=c` overrides; unknown keys are errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from data.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


def load_config(path: Path, model: type[Model], overrides: Sequence[str] = ()) -> Model:
    """Read `path` as `model`; each override is `key.sub=value`, its value parsed as YAML.

    Raises InputError that names the file, the key and what was expected.
    """
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except OSError as error:
        raise InputError(f"config {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"config {path} is not text in UTF-8 ({error}); save it as that") from error
    except yaml.YAMLError as error:
        raise InputError(f"config {path} is not valid YAML: {' '.join(str(error).split())}") from error
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise InputError(f"config {path} must hold keys and values, found a {type(tree).__name__}")
    for override in overrides:
        _set(tree, override)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise InputError(f"config {path}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """A validation error as one line: every key with what is wrong with it."""
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        problem = "unknown key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        problems.append(f"{key}: {problem}")
    return "; ".join(problems)


def _set(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override!r} is not of the form key.sub=value")
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise InputError(f"--set {override!r}: {parent} is a value, not a group of keys")
    try:
        node[last] = yaml.load(value, yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override!r}: the value is not valid YAML") from error
