"""A finished run between its bundle and its registration, kept on disk so that neither is made twice."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from data.durable import replacing


class Result(BaseModel):
    """What MLflow is told of a bundle and cannot read from it."""

    model_config = ConfigDict(frozen=True)

    identity: str
    """of the configuration and data that it came from"""
    bundle: Path
    plots: dict[str, str]
    """SVG by name"""
    gallery: str
    """HTML of the worst errors"""

    def write(self, file: Path) -> None:
        """Replace `file` in one step; raises OSError."""
        with replacing(file) as stream:
            stream.write(self.model_dump_json().encode())

    @classmethod
    def read(cls, file: Path, identity: str) -> "Result | None":
        """What `file` keeps, if it came from the same configuration and data and its bundle was written."""
        try:
            result = cls.model_validate_json(file.read_bytes())
        except (FileNotFoundError, ValidationError):  # a damaged one costs only the measuring: the checkpoint is there
            return None
        return result if result.identity == identity and result.bundle.is_dir() else None
