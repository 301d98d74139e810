"""A figure as the bytes of a PNG file."""

import io
import weakref

from matplotlib.figure import Figure

_drawn: weakref.WeakKeyDictionary[Figure, bytes] = weakref.WeakKeyDictionary()


def png(figure: Figure) -> bytes:
    """Draw a figure, 150 dots an inch, without empty edges.

    A figure is drawn once, for a file and for a page: changes after the first time are not seen.
    """
    if figure not in _drawn:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight", pad_inches=0.05)
        _drawn[figure] = buffer.getvalue()
    return _drawn[figure]
