"""Text files of cells: what separates them, how they are encoded, and where the names are."""

import codecs
import csv
import io
import itertools
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CANDIDATES = (",", ";", "\t", "|", " ")
_LOOKED_AT = 200  # records
_MARKED = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"))


@dataclass(frozen=True)
class Dialect:
    """How a text file is written: separator, encoding and line ends."""

    sep: str
    encoding: str = "utf-8"
    line_end: str = "\n"

    def write(self, path: Path, records: Sequence[Sequence[str]]) -> None:
        """Write records; cells are quoted where they need to be."""
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=self.sep, lineterminator=self.line_end).writerows(records)
        path.write_bytes(stream.getvalue().encode(self.encoding))


@dataclass(frozen=True)
class Sheet:
    """The cells of a text file.

    Attributes
    ----------
    header : (n,), names as they stand there, one less a column of row names without a header.
    rows : m rows of n cells.
    lines : (m,), the line of the file that each row begins in.
    dialect : how the file is written.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    dialect: Dialect

    @property
    def unnamed(self) -> int:
        """How many columns of row names have no place in the header: 1 from R's write.table."""
        return (len(self.rows[0]) if self.rows else len(self.header)) - len(self.header)


def read_sheet(path: Path, sep: str | None) -> Sheet:
    """Read a text file: in UTF-8, in UTF-16 with its mark, or else in Windows' Latin.

    Raises
    ------
    ValueError : the file is no text, a quote is not closed, or a row has too many cells.
    """
    text, encoding = _decode(path)
    ends = re.search(r"\r\n|\n|\r", text)
    sep = _separator(text) if sep is None else sep
    try:
        records = list(_records(text, sep))
    except csv.Error as error:
        raise ValueError(f"{error}; check its quotes") from None
    if not records:
        raise ValueError("it is empty")
    (_, header), *numbered = records
    lines, rows = [line for line, _ in numbered], [row for _, row in numbered]
    dialect = Dialect(sep, encoding, ends.group() if ends else "\n")
    _square(header, rows, lines, sep)
    return Sheet(header, rows, lines, dialect)


def _decode(path: Path) -> tuple[str, str]:
    raw = path.read_bytes()
    for mark, encoding in _MARKED:
        if raw.startswith(mark):
            return raw.decode(encoding), encoding
    if b"\0" in raw:
        raise ValueError("it is no text file: there are zero bytes in it")
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        text, encoding = raw.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        text, encoding = raw.decode("latin-1"), "latin-1"
    warnings.warn(f"{path} is not in UTF-8; it was read as {encoding}", stacklevel=2)
    return text, encoding


def _records(text: str, sep: str):
    """Rows of cells, each with the line that it begins in. Blank lines are passed over."""
    lines = io.StringIO(text.rstrip("\r\n"), newline="")
    reader = csv.reader(lines, delimiter=sep, strict=True)
    before, width = 0, None
    for record in reader:
        # In a table of one column, a blank line between others is an empty cell.
        if record or width == 1:
            yield before + 1, record or [""]
            width = len(record) if width is None else width
        before = reader.line_num


def one_character(sep: str) -> str:
    """The separator that is meant: one character, also where a tab is written out."""
    sep = "\t" if sep in ("\\t", "tab") else sep
    if len(sep) != 1 or sep in '"\r\n':
        raise ValueError(f"sep was {sep!r}; pass one character, such as ';', or 'tab'")
    return sep


def _separator(text: str) -> str:
    """The separator with which all rows are as long as the header, or one row name longer."""
    widths: dict[str, list[int]] = {}
    for sep in _CANDIDATES:
        try:
            widths[sep] = [len(row) for _, row in itertools.islice(_records(text, sep), _LOOKED_AT)]
        except csv.Error:
            continue
    several = {sep: found for sep, found in widths.items() if found and found[0] > 1}
    # Spaces, with which R writes by default, are also within names and text.
    spaces = {sep: several.pop(sep) for sep in (" ",) if sep in several}
    for candidates, more in ((several, 0), (several, 1), (spaces, 0), (spaces, 1)):
        even = [sep for sep, (head, *rows) in candidates.items() if {*rows} == {head + more}]
        if even:
            return max(even, key=lambda sep: candidates[sep][0])
    return max(several, key=lambda sep: several[sep][0], default=",")


def _square(header: list[str], rows: list[list[str]], lines: list[int], sep: str) -> None:
    """Make rows as long as the header, but for those that are all one longer, a row's name.

    Nameless columns at the end that hold nothing, as trailing separators make, are taken away
    from both; a row that is too short, as where the last cells are empty, is filled up.
    """
    filled = max((_filled(row) for row in rows), default=0)
    width = max(_filled(header), min(filled, len(header)), 1)
    one_more = {len(row) for row in rows} == {len(header) + 1}
    if one_more and any(row[-1].strip() for row in rows):
        return
    del header[width:]
    for row, line in zip(rows, lines, strict=True):
        if _filled(row) > width:
            raise ValueError(
                f"line {line} has {len(row)} cells and the header {len(header)}; quote cells that "
                f"hold {sep!r}, or pass the separator"
            )
        row[width:] = [""] * (width - len(row))


def _filled(row: Sequence[str]) -> int:
    """How long a row is without the empty cells at its end."""
    length = len(row)
    while length and not row[length - 1].strip():
        length -= 1
    return length
