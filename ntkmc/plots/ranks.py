"""Mean ranks of methods over many data sets."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from ntkmc.plots._style import ACCENT, INK


def critical_difference(ranks: Mapping[str, float], width: float) -> Figure:
    """A line of mean ranks, the best on the left, with bars over those that do not differ.

    Parameters
    ----------
    ranks : mean rank of each method; the first one is ours.
    width : what ranks differ by, at least (Demšar, JMLR 2006, figure 1).
    """
    ours = next(iter(ranks))
    ordered = sorted(ranks.items(), key=lambda item: item[1])
    bars = not_apart([rank for _, rank in ordered], width)
    count = len(ordered)
    height = 0.7 + 0.2 * ((count + 1) // 2) + 0.12 * len(bars)
    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlim(1, count)
    top = 0.12 * len(bars) + 0.15
    axes.set_ylim(-0.2 * ((count + 1) // 2) - 0.1, top)
    for position in ("left", "right", "bottom"):
        axes.spines[position].set_visible(False)
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, count + 1))
    axes.set_yticks([])
    axes.tick_params(labelsize=8, colors=INK, length=3)
    for number, (low, high) in enumerate(bars):
        level = top - 0.1 - 0.12 * number
        axes.plot([low - 0.03, high + 0.03], [level, level], color=INK, linewidth=3)
    for number, (method, rank) in enumerate(ordered):
        left = number < (count + 1) / 2
        row = number if left else count - 1 - number
        level, colour = -0.2 * (row + 0.5), ACCENT if method == ours else INK
        end = 1 if left else count
        axes.plot([rank, rank, end], [top, level, level], color=colour, linewidth=1)
        axes.text(
            end,
            level,
            f" {method} {rank:.2f} ",
            ha="right" if left else "left",
            va="center",
            fontsize=8,
            color=colour,
        )
    return figure


def not_apart(ranks: list[float], width: float) -> list[tuple[float, float]]:
    """The longest runs of ordered ranks within a width, of two or more; none within another."""
    runs: list[tuple[float, float]] = []
    for first in ranks:
        last = max(rank for rank in ranks if first <= rank <= first + width)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs
