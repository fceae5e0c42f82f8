"""A drawn plot: the bytes of its files, and its form inside a page."""

import re
from dataclasses import dataclass

_SIZE = re.compile(r' (?:width|height)="[^"]*"')
_ID = re.compile(r'\bid="|href="#|url\(#')


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot as two files of the same content."""

    svg: str
    """A whole file; text is drawn as outlines, so it looks the same without the font."""
    png: bytes

    def inside(self, prefix: str, labelled_by: str) -> str:
        """The ``<svg>`` element for an HTML page, as wide as its place.

        Args:
            prefix: put before every id; two plots of a page share most of theirs otherwise.
            labelled_by: id of the element that says in words what the plot shows.
        """
        element = self.svg[self.svg.index("<svg") :]
        opening, end, content = element.partition(">")
        opening = _SIZE.sub("", opening).replace("<svg", f'<svg role="img" aria-labelledby="{labelled_by}"', 1)
        return opening + end + _ID.sub(rf"\g<0>{prefix}-", content)
