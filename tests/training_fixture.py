"""A real bundle, trained once per test session on generated images: noise textures with and without a dark scratch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

SIZE = 64
IMAGES = 32  # of each class


@dataclass(frozen=True)
class Trained:
    """What one `python -m training train` run was given and what it left."""

    config: Path
    images: Path
    output: Path
    bundle: Path
    metrics: dict[str, float]

    @property
    def catalog(self) -> Path:
        return self.output / "catalogs" / "scratches.csv"


def draw_textures(root: Path, count: int = IMAGES) -> Path:
    """A labelled folder: `count` PNG files in good/ and as many in scratch/, the same each time."""
    random = np.random.default_rng(0)
    for label in ("good", "scratch"):
        (root / label).mkdir(parents=True)
        for number in range(count):
            noise = cv2.GaussianBlur(random.normal(150, 40, (SIZE, SIZE)).astype(np.float32), (0, 0), 1.5)
            image = noise.clip(0, 255).astype(np.uint8)
            if label == "scratch":
                (x1, y1), angle = random.integers(16, 48, 2), random.uniform(0, np.pi)
                x2, y2 = int(x1 + 24 * np.cos(angle)), int(y1 + 24 * np.sin(angle))
                cv2.line(image, (int(x1), int(y1)), (x2, y2), 40, 2)
            cv2.imwrite(str(root / label / f"{number:03}.png"), image)
    return root


def tiny_config(file: Path, images: Path, output: Path, **changes: Any) -> Path:
    """A configuration that trains in seconds; `changes` replace top-level keys."""
    tree = {
        "name": "scratches",
        "data": {"source": "folder", "path": str(images)},
        "splits": {"val": 0.25, "test": 0.25},
        "model": {"image": {"width": SIZE, "height": SIZE}},
        "augment": [{"name": "D4", "args": {"p": 1.0}}],
        "fit": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-5},
        "targets": {"test_auroc": 0.5},
        "export": {"calibration_images": 16},
        "output": str(output),
    }
    file.write_text(yaml.safe_dump(tree | changes), encoding="utf-8")
    return file


def run_training(*arguments: str | Path, command: str = "train") -> Result:
    """`python -m training COMMAND ...` in this process."""
    from training.__main__ import app  # torch is heavy: only for tests that train

    return CliRunner().invoke(app, [command, *(str(argument) for argument in arguments)], catch_exceptions=False)


def last_json(lines: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(lines[-1])
    return result


@pytest.fixture(scope="session")
def trained_bundle(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    directory = tmp_path_factory.mktemp("trained")
    images = draw_textures(directory / "images")
    config = tiny_config(directory / "config.yaml", images, directory / "var")
    result = run_training("--config", config)
    assert result.exit_code == 0, result.stderr
    line = last_json(result.stdout.splitlines())
    return Trained(config, images, directory / "var", Path(line["bundle"]), line["metrics"])
