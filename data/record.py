"""The base of every value that is checked where it comes in: settings, and what files keep."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen, and closed to keys that it does not know: a typing error in a file is told, and never passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid")
