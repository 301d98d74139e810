"""How a column of text spells its numbers."""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

_GROUPS = " '\u00a0\u202f"  # between thousands, besides the comma or point that is no decimal mark

_PLAIN = re.compile(r"(?:[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\0)*+")


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a column are spelled.

    Attributes
    ----------
    decimal : the decimal mark.
    group : what stands between thousands, or nothing.
    percent : what follows a number, such as " %", or nothing.
    whole : whether no number has decimals or an exponent.
    digits : the least number of digits, where zeros fill them up ("007"), or 0.
    """

    decimal: str = "."
    group: str = ""
    percent: str = ""
    whole: bool = False
    digits: int = 0

    def spell(self, value: float) -> str:
        """A number in this spelling; in decimals to the last digit, as `repr` has it."""
        if self.whole:
            whole = round(float(value))
            spelled = f"{whole:,}" if self.group else f"{whole:0{self.digits + (whole < 0)}d}"
        else:
            spelled = f"{float(value):,}" if self.group else repr(float(value))
        return spelled.translate({ord(","): self.group, ord("."): self.decimal}) + self.percent

    def parse(self, cells: Sequence[str]) -> list[float]:
        """The numbers that cells of the column spell; of percent, 5 for "5%"."""
        return [float(cell) for cell in self._plain(cells)]

    def parse_whole(self, cells: Sequence[str]) -> list[int]:
        """The same of whole numbers, exact at any size."""
        return [int(cell) for cell in self._plain(cells)]

    def _plain(self, cells: Sequence[str]) -> Sequence[str]:
        """The numbers as Python spells them."""
        if self.percent:
            cells = [cell.strip().removesuffix("%") for cell in cells]
        for mark, plain in ((self.group, ""), (self.decimal, ".")):
            if mark not in ("", plain):
                cells = [cell.replace(mark, plain) for cell in cells]
        return cells


def read_numerals(cells: Sequence[str], decimal: str) -> tuple[Numerals, list[int]]:
    """How most cells that are numbers spell them, and the positions of cells that do not fit.

    Parameters
    ----------
    cells : what is observed in a column, without blanks around it.
    decimal : the decimal mark, "." or ",".
    """
    joined = "\0".join([*cells, ""])
    if decimal == "." and _PLAIN.fullmatch(joined):
        # As most columns are: a hundred times faster than cell by cell.
        return Numerals(whole=not re.search("[.eE]", joined)), []
    matches = [_pattern(decimal).fullmatch(cell) for cell in cells]
    numbers = [match for match in matches if _is_number(match)]
    if not numbers:
        return Numerals(decimal), list(range(len(cells)))
    percent = 2 * sum(bool(match["percent"]) for match in numbers) > len(numbers)
    groups = Counter(match["group"] for match in numbers if match["group"])
    group = groups.most_common(1)[0][0] if groups else ""

    def fits(match: re.Match[str] | None) -> TypeGuard[re.Match[str]]:
        return (
            _is_number(match)
            and bool(match["percent"]) == percent
            and match["group"] in (None, group)
        )

    fitting = [match for match in matches if fits(match)]
    zeros = any(len(match["whole"] or "") > 1 and match["whole"][0] == "0" for match in fitting)
    numerals = Numerals(
        decimal,
        group,
        next((match["percent"] for match in fitting if match["percent"]), ""),
        whole=not any(match["point"] or match["exponent"] for match in fitting),
        digits=min((len(match["whole"] or "") for match in fitting), default=0) if zeros else 0,
    )
    return numerals, [position for position, match in enumerate(matches) if not fits(match)]


def _is_number(match: re.Match[str] | None) -> TypeGuard[re.Match[str]]:
    return match is not None and bool(match["whole"] or match["fraction"] or match["infinite"])


@functools.cache
def _pattern(decimal: str) -> re.Pattern[str]:
    groups = re.escape(_GROUPS + (",." if decimal == "." else ".,").replace(decimal, ""))
    return re.compile(
        rf"[+-]?(?:(?P<infinite>inf(?:inity)?)|(?:"
        rf"(?P<whole>[1-9][0-9]{{0,2}}(?P<group>[{groups}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
        rf"|[0-9]+)?(?P<point>{re.escape(decimal)}(?P<fraction>[0-9]*))?"
        rf"(?P<exponent>e[+-]?[0-9]+)?))(?P<percent>\s*%)?",
        re.IGNORECASE,
    )
