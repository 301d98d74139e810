"""How an image was completed, in words and tables for a report."""

from ntkmc.inpainting.image_prior import ImagePrior
from ntkmc.inpainting.regression import InpaintResult
from ntkmc.inpainting.scene import PatchSettings


def solve_facts(result: InpaintResult) -> dict[str, str]:
    """Names and values of how the regression was solved."""
    solve, prior = result.solve, result.image_prior
    if solve is not None:
        return {
            "solver": solve.method,
            "iterations": str(solve.iterations),
            "relative residual": f"{solve.relative_residual:.2e}",
            "converged": "yes" if solve.converged else "no",
        }
    if prior is None or prior.neighbours is None:
        return {}
    changes = ", ".join(f"{change:.3g}" for change in prior.changes)
    return {
        "solver": f"each pixel from {prior.neighbours.shape[1]} near and similar ones",
        "rounds": f"{len(prior.changes)}, changing pixels by {changes}",
        "error of pixels held out": f"{prior.rmse:.3g}, {prior.rmse_without:.3g} without the prior",
    }


def prior_sentence(prior: ImagePrior) -> str:
    """A sentence on how a prior made of the image was chosen."""
    verb = "is" if prior.used else "would be"
    without = "" if prior.used else " It is not used: what it takes off is no more than chance."
    return (
        f"The prior {verb} made of the image: {_spelled(prior.settings)}; chosen among "
        f"{len(prior.trials)} by {prior.held_out:,} observed pixels held out, whose root mean "
        f"square error is {prior.rmse:.3g} with it and {prior.rmse_without:.3g} without.{without}"
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
