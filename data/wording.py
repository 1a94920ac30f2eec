"""Sentences for people, in every language of the UI."""

from pydantic import BaseModel, ConfigDict, Field


class Text(BaseModel):
    """A sentence that people read, in every language of the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    en: str
    zh_hant: str = Field(alias="zh-Hant")


def text(en: str, zh_hant: str) -> Text:
    """A sentence in both languages."""
    return Text(en=en, zh_hant=zh_hant)
