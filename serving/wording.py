"""Sentences for people, in every language of the UI."""

from serving.schema import Text


def text(en: str, zh_hant: str) -> Text:
    """A sentence in both languages."""
    return Text(en=en, zh_hant=zh_hant)
