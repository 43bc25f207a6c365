"""Docstrings as Markdown: what Python's own help shows as it is, a web page needs marked up."""

import re

import griffe

_LITERAL = re.compile(r"::(?=\n\s*\n\s+)")
_DOCTEST = re.compile(r"(?:^[ \t]*(?:>>>|\.\.\. ?).*\n?(?:^[ \t]*(?!>>>)\S.*\n?)*)+", re.MULTILINE)


def markdown(text: str) -> str:
    """Turn a paragraph's `::` into `:`, and fence the doctests."""
    text = _LITERAL.sub(":", text)
    return _DOCTEST.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text)


class Docstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite one."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
