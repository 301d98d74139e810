"""Inpainting: the missing pixels of an image by kernel regression on the observed ones."""

import dataclasses
import numbers
import time

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ntkmc._compat import enable_x64
from ntkmc.architecture import Network, Parallel, Sequential, autoencoder, check
from ntkmc.images import keep_observed
from ntkmc.kernels import GridKernel, PeriodicKernel, covers, padded_shape
from ntkmc.priors import IIDPrior, IIDUniform
from ntkmc.selection import Selection, choose_network
from ntkmc.solvers import Cholesky, ConjugateGradient, EigenPro, Progress, Solver, SolveResult
from ntkmc.solvers.result import check_ridge, check_rtol
from ntkmc.uncertainty import Uncertainty, check_enough, quantify

MARGIN = 32  # pixels: measured over the eleven images of SI Fig. 10
CHOLESKY_PIXELS = 4096  # below, factorising takes less time than compiling conjugate gradients
SOLVERS = {
    "cholesky": Cholesky,
    "conjugate_gradient": ConjugateGradient,
    "eigenpro": EigenPro,
}


@dataclasses.dataclass(frozen=True)
class InpaintResult:
    """A completed image and how it was made.

    Attributes
    ----------
    image : shape and dtype of the input; observed pixels kept, the others predicted (clipped to
        the input's range of values only where it is an integer type).
    prediction : float64, what the network says at every pixel, observed ones included.
    mask : (H, W), True where observed.
    solve : report of the solver; its weights are w of `inpaint`, in the image's units.
    kernel : the kernel, on the padded torus or grid.
    network : what it is the kernel of.
    seconds : wall-clock time of each stage.
    selection : how the network was chosen; None where it was given.
    uncertainty : of each pixel, where `return_std` asked for it.
    """

    image: np.ndarray
    prediction: Float[np.ndarray, "H W *C"]
    mask: Bool[np.ndarray, "H W"]
    solve: SolveResult
    kernel: PeriodicKernel | GridKernel
    network: Network
    seconds: dict[str, float]
    selection: Selection | None = None
    uncertainty: Uncertainty | None = None

    @property
    def std(self) -> Float[np.ndarray, "H W *C"] | None:
        """Standard deviation of each pixel, in the image's units; 0 where observed."""
        return None if self.uncertainty is None else self.uncertainty.std


def inpaint(
    image,
    mask=None,
    *,
    network: Network | str | None = None,
    prior=IIDUniform(0.0, 0.1),
    kind: str = "ntk",
    solver: str | Solver = "auto",
    ridge: float | None = None,
    rtol: float = 1e-5,
    margin: int | None = None,
    dtype="float32",
    kernel: GridKernel | None = None,
    return_std: bool = False,
    progress: Progress | None = None,
) -> InpaintResult:
    r"""Complete an image with an infinitely wide convolutional network.

    Training the network on the observed pixels S, less their mean m, until its error is zero
    predicts

    .. math:: \hat y(x) = m + \sum_{x' \in S} K(x, x')\, w_{x'}, \qquad
              (K_{SS} + \lambda\, \overline{K_{xx}}\, I)\, w = y_S - m,

    with K the network's tangent kernel (matrix-completion paper, Eqs. 3 and 4, there with m = 0),
    each channel on its own. So the completion of a y + b is a times that of y, plus b: an image may
    be in any units. The image is padded with unobserved pixels to the torus the kernel lives on.

    Parameters
    ----------
    image : (H, W) or (H, W, C), integer or floating; NaN in a floating image means missing.
    mask : (H, W), True (or nonzero) where observed. Without it, the pixels that are not NaN in any
        channel.
    network : image-to-image `Sequential` or `Parallel`; by default `autoencoder(6)`, the paper's
        network for large holes. "auto" chooses one, or several side by side, for this image: see
        `ntkmc.choose_network`.
    prior : feature prior with independent entries; or features (channels, H, W) of the size of the
        image, for which the kernel is a `GridKernel`, as it is for networks that `PeriodicKernel`
        does not cover.
    kind : "ntk" (a trained network) or "nngp" (only its last layer trained).
    solver : "auto" (Cholesky up to 4096 pixels, then conjugate gradients; Cholesky for every
        `GridKernel`, whose neighbours need not be near), "cholesky", "conjugate_gradient",
        "eigenpro", or a solver object, which then brings its own ridge and tolerance.
    ridge : lambda, relative to the mean of the kernel's diagonal; by default 0, or what
        network="auto" chooses.
    rtol : relative residual to solve to.
    margin : unobserved pixels put below and right of the image, without which circular padding
        lets each edge see the opposite one; by default 32 for a kernel on a torus, 0 for others.
        The paper's networks have none.
    dtype : of the kernel, "float32" or "float64".
    kernel : one made before, on a grid at least as large as the image; network, prior, kind and
        dtype then say nothing.
    return_std : whether to say how uncertain each pixel is, see `ntkmc.uncertainty`; takes at least
        16 observed pixels.
    progress : called with (stage, done, total).

    Raises
    ------
    ValueError : the image or the mask has a wrong shape, nothing or everything is observed, NaN
        where observed; too few observed for `return_std`.
    ArchitectureError : the network is no image-to-image network.
    SingularKernelError : a ridge is needed.
    NotEnoughMemoryError : predicted before it is allocated.
    """
    image = _check_image(image)
    mask = _check_mask(mask, image)
    _check_settings(network, prior, ridge, rtol, margin, kernel)
    if return_std:
        check_enough(int(mask.sum()))
    clock = _Clock(progress)
    selection = None
    if kernel is not None:
        network = kernel.network
    elif isinstance(network, str):
        clock.start("choosing a network")
        selection = _select(image, mask, prior, kind, ridge, dtype, progress)
        network, ridge = selection.network, selection.ridge
    elif network is None:
        network = autoencoder(6)
    periodic = kernel is None and isinstance(prior, IIDPrior) and covers(network)
    direct = not periodic or mask.sum() <= CHOLESKY_PIXELS
    chosen = _choose(solver, direct, ridge or 0.0, rtol)

    height, width = mask.shape
    clock.start("kernel")
    make = _periodic_kernel if periodic else _grid_kernel
    extent = _with_margin(mask.shape, margin, periodic, kernel, prior)
    built = kernel or make(network, extent, prior, kind, dtype, progress)
    if built.shape[0] < height or built.shape[1] < width:
        raise ValueError(
            f"the kernel is of {built.shape} pixels and the image has {mask.shape}: pass a kernel "
            "or features that are at least as large"
        )
    clock.start("setup")
    rows, columns = np.nonzero(mask)
    prepared = chosen.prepare(built, (rows, columns), progress)
    clock.start("solve")
    observed = image[mask].astype(np.float64)
    mean = observed.mean(axis=0)
    values = observed - mean
    # The kernel is multiplied in its own precision, whose range need not be that of the image.
    scale = np.abs(values).max() or 1.0
    solve = prepared.solve(values / scale, progress)
    clock.start("prediction")
    with enable_x64():
        weights = np.zeros((*built.shape, *image.shape[2:]))
        weights[:height, :width][mask] = solve.weights
        planes = jnp.asarray(weights.reshape(*built.shape, -1).transpose(2, 0, 1))
        everywhere = np.asarray(built.matvec(planes)).transpose(1, 2, 0)
    prediction = everywhere[:height, :width].reshape(image.shape) * scale + mean
    solve = dataclasses.replace(solve, weights=solve.weights * scale)
    uncertainty = None
    if return_std:
        clock.start("uncertainty")
        uncertainty = quantify(prepared, built, mask, values, solve, chosen.ridge, progress)
    clock.stop()
    return InpaintResult(
        _compose(image, mask, prediction),
        prediction,
        mask,
        solve,
        built,
        network,
        clock.seconds,
        selection,
        uncertainty,
    )


def _select(image, mask, prior, kind, ridge, dtype, progress) -> Selection:
    return choose_network(
        image, mask, prior=prior, kind=kind, ridge=ridge, dtype=dtype, progress=progress
    )


def _with_margin(shape, margin, periodic, kernel, prior):
    if margin is None:
        margin = MARGIN if periodic else 0
    if margin and (kernel is not None or not isinstance(prior, IIDPrior)):
        raise ValueError(
            f"margin was {margin}, and the kernel or the features say how large the grid is: "
            "leave margin out, and pass larger ones"
        )
    return shape[0] + margin, shape[1] + margin


def _periodic_kernel(network, shape, prior, kind, dtype, progress) -> PeriodicKernel:
    kernel = PeriodicKernel.build(network, padded_shape(network, shape), prior, kind, dtype)
    kernel.table.block_until_ready()
    return kernel


def _grid_kernel(network, shape, prior, kind, dtype, progress) -> GridKernel:
    size = None
    if isinstance(prior, IIDPrior):
        multiple = network.side_multiple
        size = tuple(-(-side // multiple) * multiple for side in shape)
    check(network, size or np.shape(prior)[-2:], image_to_image=True)
    return GridKernel.build(network, prior, kind, dtype, shape=size, progress=progress)


class _Clock:
    """Seconds of each stage, told to `progress` as they begin."""

    def __init__(self, progress):
        self.seconds, self._stage, self._progress = {}, None, progress

    def start(self, stage):
        self.stop()
        self._stage, self._since = stage, time.perf_counter()
        if self._progress:
            self._progress(stage, 0, None)

    def stop(self):
        if self._stage:
            self.seconds[self._stage] = time.perf_counter() - self._since


def _check_image(image) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"image has shape {image.shape}; expected (H, W) or (H, W, channels)")
    if not (np.issubdtype(image.dtype, np.floating) or np.issubdtype(image.dtype, np.integer)):
        raise ValueError(f"image has dtype {image.dtype}; expected an integer or floating type")
    return image


def _check_mask(mask, image) -> np.ndarray:
    size = image.shape[:2]
    finite = np.isfinite(image).reshape(*size, -1)
    if mask is None:
        if np.isinf(image).any():
            raise ValueError("image has infinite pixels; mark missing ones as NaN, or pass a mask")
        mask = finite.all(axis=-1)
        if mask.all():
            raise ValueError(
                "mask was None and the image has no NaN: pass a mask, True where observed"
            )
    mask = np.asarray(mask)
    if mask.shape != size:
        raise ValueError(f"mask has shape {mask.shape}; expected {size}, that of the image")
    mask = mask != 0
    if not mask.any():
        raise ValueError("nothing is observed: the mask is False (or the image NaN) everywhere")
    if mask.all():
        raise ValueError("nothing is missing: the mask is True everywhere (True means observed)")
    wrong = mask & ~finite.all(axis=-1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{int(wrong.sum())} observed pixels are not finite, the first at ({row}, {column}): "
            "mask them out"
        )
    return mask


def _check_settings(network, prior, ridge, rtol, margin: int | None, kernel):
    """Refuse what would only be noticed in the middle of the work, or never."""
    named = isinstance(network, str) and network == "auto"
    if not (network is None or named or isinstance(network, Sequential | Parallel)):
        raise ValueError(
            f"network was {network!r}; pass 'auto', or a Sequential or Parallel, such as "
            "autoencoder(6)"
        )
    if not isinstance(prior, IIDPrior) and np.ndim(prior) != 3:
        raise ValueError(
            f"prior was a {type(prior).__name__} of shape {np.shape(prior)}; pass features "
            "(channels, H, W), or a prior with independent entries, such as IIDUniform(0, 0.1)"
        )
    if ridge is not None:
        check_ridge(ridge)
    check_rtol(rtol)
    if margin is not None and not (isinstance(margin, numbers.Integral) and margin >= 0):
        raise ValueError(f"margin was {margin!r}; pass a whole number of pixels, at least 0")
    if kernel is not None and not isinstance(kernel, GridKernel):
        raise ValueError(f"kernel was a {type(kernel).__name__}; pass a GridKernel")


def _choose(solver, direct, ridge, rtol) -> Solver:
    if isinstance(solver, Solver):
        return solver
    if solver == "auto":
        solver = "cholesky" if direct else "conjugate_gradient"
    if not isinstance(solver, str) or solver not in SOLVERS:
        raise ValueError(
            f"solver was {solver!r}; pass 'auto', one of {sorted(SOLVERS)}, or a solver object"
        )
    return SOLVERS[solver](ridge=ridge, rtol=rtol)


def _compose(image, mask, prediction):
    if np.issubdtype(image.dtype, np.integer):
        limits = np.iinfo(image.dtype)
        prediction = np.rint(prediction).clip(limits.min, limits.max)
    return keep_observed(image, mask, prediction.astype(image.dtype))
