"""How fast the kernels of networks of finite width approach those of infinite width."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import numpy as np
import pydantic
from jaxtyping import Float

from ntkmc import architecture, plots, priors
from ntkmc._compat import enable_x64
from ntkmc.config import Config
from ntkmc.experiments.comparison import Progress, Table
from ntkmc.kernels import PeriodicKernel
from ntkmc.report import Report
from ntkmc.results import ResultsFolder


class RandomImages(pydantic.BaseModel):
    """Images of independent standard normal values, whose Gram matrix is compared."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    count: int = pydantic.Field(default=6, ge=1)
    channels: int = pydantic.Field(default=3, ge=1)


class ConvergenceConfig(Config):
    """Schema of ``configs/kernel_convergence/*.yaml``."""

    experiment: Literal["kernel_convergence"]
    network: Annotated[Any, pydantic.AfterValidator(architecture.resolve)] = pydantic.Field(
        default={"autoencoder": {"levels": 2}}
    )
    shape: tuple[int, int] = (8, 8)
    prior: Annotated[Any, pydantic.AfterValidator(priors.resolve)] = "iid_uniform"
    images: RandomImages | None = pydantic.Field(
        default=None, description="For a network that gives an image a number; prior is not used."
    )
    kinds: tuple[Literal["ntk", "nngp"], ...] = ("ntk", "nngp")
    widths: tuple[Annotated[int, pydantic.Field(ge=1)], ...] = pydantic.Field(
        default=(16, 32, 64, 128, 256), min_length=2
    )
    draws: int = pydantic.Field(default=400, ge=2)
    group: int = pydantic.Field(default=20, ge=1, description="Draws in a mean; divides draws.")
    resamples: int = pydantic.Field(default=2000, ge=100)
    confidence: float = pydantic.Field(default=0.95, gt=0, lt=1)
    seed: int = pydantic.Field(default=0, ge=0)

    @pydantic.model_validator(mode="after")
    def _groups_fit(self):
        if self.draws % self.group or self.draws == self.group:
            raise ValueError(f"draws was {self.draws}; pass a multiple of group, {self.group}")
        return self

    @pydantic.model_validator(mode="after")
    def _images_fit(self):
        domain = architecture.check_structure(self.built_network())
        if (domain is architecture.Domain.VECTOR) != (self.images is not None):
            raise ValueError(
                f"the network ends in {domain.value}, and images was {self.images!r}; "
                "pass images for a network that ends in a vector, and a prior for one that ends "
                "in pixels"
            )
        return self

    def built_network(self) -> architecture.Network:
        """The network that is spelled."""
        return architecture.network_from_dict(self.network)


@dataclass(frozen=True)
class Error:
    """The relative Frobenius error |mean of draws - K| / |K| at each width, with intervals.

    Attributes
    ----------
    kind : "ntk" or "nngp".
    group : over how many draws the mean is.
    values : (widths,), root mean square over groups of so many draws.
    intervals : (widths, 2), percentiles over resampled groups.
    slope : of a straight line through log(values) against log(width).
    slope_interval : percentiles over the same resamples.
    """

    kind: str
    group: int
    values: Float[np.ndarray, " widths"]
    intervals: Float[np.ndarray, "widths 2"]
    slope: float
    slope_interval: tuple[float, float]

    @property
    def estimate(self) -> str:
        """In words."""
        return "one draw" if self.group == 1 else f"mean of {self.group}"


@dataclass(frozen=True)
class Convergence:
    """Errors of one draw and of means of draws, of each kind, and the widths they are at."""

    widths: tuple[int, ...]
    errors: tuple[Error, ...]


def run(
    config: ConvergenceConfig, folder: ResultsFolder, progress: Progress | None = None
) -> Convergence:
    """Run the experiment and write its results folder."""
    # Not at the top: flax takes long to import, and not every experiment needs it.
    from ntkmc.finite import sample_kernels

    network = config.built_network()
    features, limits = (_between_images if config.images else _between_pixels)(config, network)
    errors = []
    for kind in config.kinds:
        limit = limits[kind]
        squares: dict[int, list] = {group: [] for group in dict.fromkeys((1, config.group))}
        for width in config.widths:
            kernels = sample_kernels(
                network, width, features, kind, config.draws, config.seed, progress
            )
            for group, of_widths in squares.items():
                of_widths.append(_squared_errors(kernels, limit, group))
        errors += [
            fit(
                kind,
                group,
                config.widths,
                of_widths,
                config.resamples,
                config.confidence,
                config.seed,
            )
            for group, of_widths in squares.items()
        ]
    convergence = Convergence(config.widths, tuple(errors))
    _write(folder, config, convergence)
    return convergence


def _between_pixels(config, network):
    """Features with the second moments of a prior, and the kernels between pixels."""
    prior = priors.from_dict(config.prior)
    kernels = PeriodicKernel.build_both(network, config.shape, prior)
    pixels = np.unravel_index(np.arange(np.prod(config.shape)), config.shape)
    limits = {
        kind: np.asarray(getattr(kernels, kind).dense(pixels, pixels), np.float64)
        for kind in config.kinds
    }
    return priors.exact_features(prior, config.shape), limits


def _between_images(config, network):
    """Random images, and the kernels between them."""
    from ntkmc import stax

    size = (config.images.count, *config.shape, config.images.channels)
    images = np.random.default_rng(config.seed).standard_normal(size)
    kernel_fn = stax.from_architecture(network)[2]
    with enable_x64():
        kernels = jax.jit(lambda x: kernel_fn(x, None, ("nngp", "ntk")))(images)
        limits = {kind: np.asarray(getattr(kernels, kind)) for kind in config.kinds}
    return images.astype(np.float32), limits


def _squared_errors(
    kernels: Float[np.ndarray, "draws n n"], limit: Float[np.ndarray, "n n"], group: int
) -> Float[np.ndarray, " groups"]:
    """Squared relative error of the mean of each group of draws."""
    means = kernels.reshape(-1, group, *limit.shape).mean(axis=1, dtype=np.float64)
    return ((means - limit) ** 2).sum(axis=(1, 2)) / (limit**2).sum()


def fit(
    kind: str,
    group: int,
    widths: tuple[int, ...],
    squares: list[Float[np.ndarray, " groups"]],
    resamples: int,
    confidence: float,
    seed: int,
) -> Error:
    """Root mean square errors and their slope, with bootstrap intervals over the groups.

    Groups are independent and errors are means over them, so that resampling groups is all there is
    to it; resampling draws would add its own error to that of a mean of draws.
    """
    rng = np.random.default_rng(seed)
    values = np.sqrt([square.mean() for square in squares])
    resampled = np.sqrt(
        [rng.choice(square, (resamples, len(square))).mean(axis=1) for square in squares]
    )
    tails = (50 * (1 - confidence), 50 * (1 + confidence))
    low, high = np.percentile(_slope(widths, resampled), tails)
    return Error(
        kind,
        group,
        values,
        np.percentile(resampled, tails, axis=1).T,
        float(_slope(widths, values)),
        (float(low), float(high)),
    )


def _slope(widths, errors):
    """Least squares in logarithms, for each column of errors."""
    x = np.log(widths) - np.log(widths).mean()
    return x @ np.log(errors) / (x @ x)


def table(convergence: Convergence) -> Table:
    """One row a kernel, mean and width, and one for each slope."""
    rows = []
    for error in convergence.errors:
        named = (error.kind.upper(), error.estimate)
        for width, value, (low, high) in zip(
            convergence.widths, error.values, error.intervals, strict=True
        ):
            rows.append((*named, f"width {width}", f"{value:.4f}", f"{low:.4f} to {high:.4f}"))
        low, high = error.slope_interval
        rows.append((*named, "slope", f"{error.slope:.2f}", f"{low:.2f} to {high:.2f}"))
    return ("kernel", "of", "at", "relative error", "interval"), rows


def _write(folder: ResultsFolder, config: ConvergenceConfig, convergence: Convergence) -> None:
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(
        {
            "kernel": error.kind,
            "draws_in_mean": error.group,
            "width": width,
            "relative_error": value,
            "low": low,
            "high": high,
        }
        for error in convergence.errors
        for width, value, (low, high) in zip(
            convergence.widths, error.values, error.intervals, strict=True
        )
    )
    figure = plots.convergence_lines(
        convergence.widths,
        {(e.kind.upper(), e.estimate): (e.values, e.intervals) for e in convergence.errors},
    )
    folder.write_figure("convergence.png", figure)
    folder.write_summary(
        experiment=config.experiment,
        seed=config.seed,
        slopes={
            f"{e.kind} {e.estimate}": {"slope": e.slope, "interval": e.slope_interval}
            for e in convergence.errors
        },
    )
    report = Report(
        "From finite to infinite width",
        "Relative Frobenius error of the kernels of drawn networks against the exact kernel of "
        f"infinite width, {config.draws} draws a width.",
    )
    share = f"{config.confidence:.0%}"
    report.plots([(f"Bands: {share} bootstrap intervals over the draws.", figure)])
    report.table(*table(convergence))
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_text("report.html", report.html())
