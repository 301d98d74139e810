"""Curves: residuals, trainings, convergence, calibration."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ntkmc.plots._style import INK, LINES, quiet


def residual_curve(residuals: Float[np.ndarray, " n"], rtol: float | None = None) -> Figure:
    """The relative residual after each iteration of a solver, on a logarithmic scale."""
    return residual_curves({"": residuals}, rtol)


def residual_curves(
    curves: Mapping[str, Float[np.ndarray, " _"]], rtol: float | None = None
) -> Figure:
    """Relative residuals of several solvers after each iteration or epoch, logarithmic.

    Parameters
    ----------
    curves : mapping of name to (iterations,); a name may be empty
    rtol : float, optional
        Tolerance to draw a line at.
    """
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for (name, residuals), colour in zip(curves.items(), LINES, strict=False):
        steps = np.arange(1, len(residuals) + 1)
        axes.semilogy(steps, residuals, color=colour, linewidth=1.8, label=name)
    if rtol is not None:
        axes.axhline(rtol, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            f"tolerance {rtol:g}",
            (1, rtol),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    steps_are = "iteration" if len(curves) == 1 else "iteration or epoch"
    axes.set_xlabel(steps_are, fontsize=9, color=INK)
    axes.set_ylabel("relative residual", fontsize=9, color=INK)
    axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    if len(curves) > 1:
        axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    quiet(axes)
    return figure


def convergence_lines(
    widths: Sequence[int],
    errors: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """Errors against width in logarithms, a panel for each kernel and a line for each estimate.

    Parameters
    ----------
    widths : sequence of int
    errors : mapping of (kernel, estimate) to (values (widths,), intervals (widths, 2))
    """
    kernels = list(dict.fromkeys(kernel for kernel, _ in errors))
    figure = Figure(figsize=(3.9 * len(kernels) + 0.4, 3.4), layout="constrained")
    grid = figure.subplots(1, len(kernels), squeeze=False, sharey=True)[0]
    for axes, kernel in zip(grid, kernels, strict=True):
        lines = {estimate: line for (of, estimate), line in errors.items() if of == kernel}
        for (estimate, (values, band)), colour in zip(lines.items(), LINES, strict=False):
            axes.loglog(widths, values, "o-", color=colour, markersize=4, label=estimate)
            axes.fill_between(widths, *band.T, color=colour, alpha=0.18, linewidth=0)
        first = next(iter(lines.values()))[0][0]
        guide = first * (np.asarray(widths) / widths[0]) ** -0.5
        style = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 3))}
        axes.loglog(widths, guide, **style, zorder=1, label="slope -1/2")
        axes.set_title(kernel, fontsize=10, color=INK)
        axes.set_xlabel("width", fontsize=9, color=INK)
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
        axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
        axes.set_axisbelow(True)
        quiet(axes)
    grid[0].set_ylabel("relative error", fontsize=9, color=INK)
    grid[0].legend(fontsize=8, frameon=False, labelcolor=INK)
    return figure


def training_curves(
    curves: Mapping[str, np.ndarray], stops: Mapping[str, tuple[int, float]]
) -> Figure:
    """PSNR after each step of a training, and where it would have been stopped.

    Parameters
    ----------
    curves : mapping of name to (steps,) array, dB
    stops : mapping of name to (step, dB)
    """
    figure = Figure(figsize=(4.9, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for (name, curve), colour in zip(curves.items(), LINES, strict=False):
        axes.plot(curve, color=colour, linewidth=1.0, label=name)
    for (name, (step, value)), marker in zip(stops.items(), "ovs", strict=False):
        axes.plot(step, value, marker, color=INK, markersize=6, label=name)
    axes.set_xlabel("step", fontsize=9, color=INK)
    axes.set_ylabel("PSNR / dB", fontsize=9, color=INK)
    axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    quiet(axes)
    return figure


def reliability_curves(
    levels: Float[np.ndarray, " L"], covered: Mapping[str, Float[np.ndarray, "cases L"]]
) -> Figure:
    """The share of values within an interval against the share that should be.

    Parameters
    ----------
    levels : (L,), what the intervals should hold.
    covered : mapping of the intervals' name to what they held in each case: thin lines, and a
        thick one for their mean.
    """
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    for (name, shares), colour in zip(covered.items(), LINES, strict=False):
        axes.plot(levels, shares.T, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(levels, shares.mean(axis=0), color=colour, linewidth=1.8, label=name)
    axes.set_xlabel("nominal coverage", fontsize=9, color=INK)
    axes.set_ylabel("measured coverage", fontsize=9, color=INK)
    axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_aspect("equal")
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    quiet(axes)
    return figure
