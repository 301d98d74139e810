"""What the page about a completed image says, and that about a volume does, too."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from ntkmc import plots
from ntkmc.architecture import to_yaml
from ntkmc.inpainting import InpaintResult
from ntkmc.inpainting.facts import prior_sentence, prior_table, solve_facts
from ntkmc.inpainting.selection import chosen, trials_table
from ntkmc.inpainting.uncertainty import describe
from ntkmc.memory import peak_bytes, readable
from ntkmc.report import Report

LEAD = "Filled in by an infinitely wide convolutional network."


def how(result: InpaintResult) -> str:
    """How the regression was solved, to end a line of the answer with."""
    return "".join(f", {name} {value}" for name, value in solve_facts(result).items())


def to_look_at(values: np.ndarray, colours: np.ndarray, observed: Bool[np.ndarray, "..."]):
    """Values in [0, 1]: where ``colours`` are not, from the least observed to the largest."""
    seen = colours[observed].astype(np.float64)
    low, high = seen.min(), seen.max()
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.nan_to_num((values - low) / (high - low or 1))


def add_convergence(page: Report, result: InpaintResult) -> None:
    """How the solver converged, if it took more than one step."""
    if result.solve is not None and len(result.solve.residuals) > 1:
        curve = plots.residual_curve(np.asarray(result.solve.residuals))
        page.plots([("How the solver converged.", curve)])


def add_uncertainty(
    page: Report, result: InpaintResult, maps: Mapping[str, np.ndarray], each: str
) -> None:
    """Maps of the standard deviations of ``each`` pixel or voxel, where they were asked for."""
    if result.uncertainty is None:
        return
    page.heading("Uncertainty")
    caption = f"Standard deviation of each {each}; observed ones have none."
    page.plots([(caption, plots.error_maps({name: shown})) for name, shown in maps.items()])
    page.facts(describe(result.uncertainty))


def add_facts(page: Report, result: InpaintResult, facts: Mapping[str, object]) -> None:
    """What was completed, as ``facts`` say, and how."""
    page.facts(
        {
            **facts,
            **solve_facts(result),
            "time": " · ".join(f"{stage} {s:.1f} s" for stage, s in result.seconds.items()),
            "peak memory": readable(peak_bytes()),
        }
    )


def add_network(page: Report, result: InpaintResult) -> None:
    """The network, how it was chosen, and the prior made of the image."""
    page.heading("Network")
    if result.selection is not None:
        page.paragraph(chosen(result.selection))
        page.table(*trials_table(result.selection))
    page.code(to_yaml(result.network))
    if result.image_prior is not None:
        page.heading("Prior made of the image")
        page.paragraph(prior_sentence(result.image_prior))
        page.table(*prior_table(result.image_prior))
