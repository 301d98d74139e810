"""One page of HTML that holds its pictures within it, to be read anywhere and sent to anyone."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ntkmc.plots._png import png

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --paper: #ffffff;
  --card: #f6f8fa; --line: #d1d9e0; --accent: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117;
  --card: #161b22; --line: #30363d; --accent: #fb923c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.015em; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .8rem; padding-bottom: .35rem;
  border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 46rem; }
.lead, figcaption span { color: var(--soft); }
.lead { font-size: 1.05rem; }
.pictures { display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); }
figure { margin: 0; }
.pictures img { width: 100%; height: auto; display: block; border-radius: 6px; }
.plots { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem; margin: 1rem 0; }
.plots figure { background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: .6rem; flex: 0 1 32rem; }
.plots img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
.plots figcaption { color: #59636e; padding: .2rem .3rem; }
figcaption { font-size: .875rem; padding: .45rem .1rem; line-height: 1.4; }
figcaption span { display: block; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums;
  font-size: .95rem; }
th, td { padding: .45rem .9rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: .2rem; }
tr.best td { color: var(--accent); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.4rem; font-size: .9rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem 1.2rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem 1.2rem; overflow-x: auto; font-size: .85rem; line-height: 1.45; }
"""


class Report:
    """A page that is written from top to bottom: each method adds what comes next."""

    def __init__(self, title: str, lead: str):
        self._title = title
        self._style = _STYLE
        self._body = [f"<h1>{_text(title)}</h1>", f'<p class="lead">{_text(lead)}</p>']

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._body.append(f"<h2>{_text(text)}</h2>")

    def paragraph(self, text: str) -> None:
        """Say something."""
        self._body.append(f"<p>{_text(text)}</p>")

    def pictures(self, pictures: Sequence[tuple[str, str, np.ndarray]]) -> None:
        """Pictures in a row: (title, note, array of uint8 or of floats in [0, 1])."""
        shown = "".join(
            _figure(image_uri(picture), title, note) for title, note, picture in pictures
        )
        self._body.append(f'<div class="pictures">{shown}</div>')

    def plots(self, plots: Sequence[tuple[str, Figure]]) -> None:
        """Figures in a row, each with its caption."""
        shown = "".join(_figure(_data_uri(png(figure)), caption, "") for caption, figure in plots)
        self._body.append(f'<div class="plots">{shown}</div>')

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None
    ) -> None:
        """A table; ``best`` is the row that stands out."""
        head = "".join(f"<th>{_text(column)}</th>" for column in columns)
        lines = []
        for number, row in enumerate(rows):
            cells = "".join(f"<td>{_text(cell)}</td>" for cell in row)
            lines.append(f"<tr{' class=best' if number == best else ''}>{cells}</tr>")
        self._body.append(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table></div>"
        )

    def facts(self, facts: Mapping[str, object]) -> None:
        """Names and values, one to a line."""
        lines = "".join(
            f"<dt>{_text(name)}</dt><dd>{_text(fact)}</dd>" for name, fact in facts.items()
        )
        self._body.append(f"<dl>{lines}</dl>")

    def code(self, text: str) -> None:
        """Text as it stands, such as a configuration."""
        self._body.append(f"<pre>{_text(text)}</pre>")

    def part(self, markup: str, style: str) -> None:
        """HTML as it stands, with a style sheet of its own."""
        self._body.append(markup)
        self._style += style

    def html(self) -> str:
        """The page."""
        body = "\n".join(self._body)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{_text(self._title)}</title>\n<style>{self._style}</style>\n</head>\n"
            f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
        )


def _text(value: object) -> str:
    return html.escape(str(value))


def _figure(uri: str, title: str, note: str) -> str:
    note = f"<span>{_text(note)}</span>" if note else ""
    return (
        f'<figure><img src="{uri}" alt="{_text(title)}">'
        f"<figcaption>{_text(title)}{note}</figcaption></figure>"
    )


def image_uri(picture: np.ndarray) -> str:
    """A picture, uint8 or floats in [0, 1], as an address that holds it."""
    picture = np.asarray(picture)
    if np.issubdtype(picture.dtype, np.floating):
        picture = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return _data_uri(buffer.getvalue())


def _data_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()
