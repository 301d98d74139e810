"""How an image was completed, in words and tables for a report."""

import math

from ntkmc.inpainting.image_prior import ImagePrior
from ntkmc.inpainting.regression import InpaintResult
from ntkmc.inpainting.scene import PatchSettings


def solve_facts(result: InpaintResult) -> dict[str, str]:
    """Names and values of how the regression was solved."""
    solve, prior = result.solve, result.image_prior
    facts = {}
    if solve is not None:
        facts = {
            "solver": solve.method,
            "iterations": str(solve.iterations),
            "relative residual": f"{solve.relative_residual:.2e}",
            "converged": "yes" if solve.converged else "no",
        }
    if prior is None or prior.neighbours is None:
        return facts
    each = f"each pixel from {prior.neighbours.shape[1]} near and similar ones"
    if prior.off is not None:
        facts["last round"] = f"all pixels together; {each}, {prior.off:.1%} from that"
    elif math.isfinite(prior.deepest):
        facts[f"up to {prior.deepest:g} pixels deep"] = each
    else:
        facts = {"solver": each}
    changes = ", ".join(f"{change:.3g}" for change in prior.changes)
    facts["rounds"] = f"{len(prior.changes)}, changing pixels by {changes}"
    facts["error of pixels held out"] = (
        f"{prior.rmse:.3g}, {prior.rmse_without:.3g} without the prior"
    )
    return facts


def prior_sentence(prior: ImagePrior) -> str:
    """A sentence on how a prior made of the image was chosen."""
    verb = "is" if prior.used else "would be"
    ending = ""
    if not prior.used and prior.deepest == 0:
        ending = " It is not used: in holes held out it does not help."
    elif not prior.used:
        ending = " It is not used: what it takes off is no more than chance."
    elif math.isfinite(prior.deepest):
        ending = (
            f" It is used up to {prior.deepest:g} pixels from what is observed; deeper, holes held "
            "out say that it does not help."
        )
    return (
        f"The prior {verb} made of the image: {_spelled(prior.settings)}; chosen among "
        f"{len(prior.trials)} by {prior.held_out:,} observed pixels held out, whose root mean "
        f"square error is {prior.rmse:.3g} with it and {prior.rmse_without:.3g} without.{ending}"
    )


def prior_table(prior: ImagePrior, count: int = 8) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of the best of what was tried."""
    return ("patches", "RMSE"), [
        (_spelled(settings), f"{error:.4g}") for settings, error in prior.trials[:count]
    ]


def _spelled(settings: PatchSettings) -> str:
    return (
        f"weight {settings.weight:g}, patches of {settings.width} x {settings.width} pixels, "
        f"bandwidth {settings.bandwidth:g} standard deviations and {settings.scale:g} pixels, "
        f"depth {settings.depth}, ridge {settings.ridge:g}"
    )
