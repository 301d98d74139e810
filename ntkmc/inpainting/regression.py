"""Inpainting: the missing pixels of an image by kernel regression on the observed ones."""

import dataclasses
import time

import numpy as np
from jaxtyping import Bool, Float

from ntkmc.architecture import Network, autoencoder
from ntkmc.images import keep_observed
from ntkmc.inpainting.checks import (
    channels_back,
    channels_last,
    check_image,
    check_mask,
    check_settings,
)
from ntkmc.inpainting.completion import complete
from ntkmc.inpainting.image_prior import ImagePrior
from ntkmc.inpainting.noise import check_enough
from ntkmc.inpainting.rehearsal import rehearse
from ntkmc.inpainting.selection import Selection, choose_network, selected_kernel
from ntkmc.inpainting.settings import (
    TOGETHER,
    choose_solver,
    grid_kernel,
    periodic_kernel,
    with_margin,
)
from ntkmc.inpainting.uncertainty import Uncertainty
from ntkmc.kernels import GridKernel, PeriodicKernel, covers
from ntkmc.priors import IIDPrior, IIDUniform
from ntkmc.solvers import Progress, Solver, SolveResult

POSITIONS = IIDUniform(0.0, 0.1)  # the paper's prior of large holes: a network of positions alone


@dataclasses.dataclass(frozen=True)
class InpaintResult:
    """A completed image and how it was made.

    Attributes
    ----------
    image : shape and dtype of the input; observed pixels kept, the others predicted (clipped to
        the input's range of values only where it is an integer type).
    prediction : float64, what the network says at every pixel, observed ones included; where the
        prior is made of the image, observed ones are as they were.
    mask : (H, W), True where observed.
    solve : report of the solver; its weights are w of `inpaint`, in the image's units. None where
        each pixel is solved for on its own: see `solver` of `inpaint`.
    kernel : the kernel of positions, on the padded torus or grid.
    network : what it is the kernel of.
    seconds : wall-clock time of each stage.
    selection : how the network was chosen; None where it was given.
    uncertainty : of each pixel, where `return_std` asked for it.
    image_prior : how a prior made of the image was chosen and used; None where it was not tried.
    """

    image: np.ndarray
    prediction: Float[np.ndarray, "..."]
    mask: Bool[np.ndarray, "..."]
    solve: SolveResult | None
    kernel: PeriodicKernel | GridKernel
    network: Network
    seconds: dict[str, float]
    selection: Selection | None = None
    uncertainty: Uncertainty | None = None
    image_prior: ImagePrior | None = None

    @property
    def std(self) -> Float[np.ndarray, "..."] | None:
        """Standard deviation of each pixel, in the image's units; 0 where observed."""
        return None if self.uncertainty is None else self.uncertainty.std


def inpaint(
    image,
    mask=None,
    *,
    network: Network | str | None = None,
    prior=POSITIONS,
    kind: str = "ntk",
    solver: str | Solver = "auto",
    ridge: float | None = None,
    rtol: float = 1e-5,
    margin: int | None = None,
    dtype="float32",
    kernel: GridKernel | None = None,
    return_std: bool = False,
    channel_axis: int | None = None,
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
    image : (H, W) or (H, W, C), integer or floating; NaN in a floating image means missing. A
        signal or a volume has one axis or three in place of H and W, as its mask says.
    mask : (H, W), True (or nonzero) where observed. Without it, the pixels that are not NaN in any
        channel. As many axes as it has are those of the image's pixels; without a mask two, or all
        but `channel_axis`.
    network : image-to-image `Sequential` or `Parallel`; by default `autoencoder(6)`, the paper's
        network for large holes, and of volumes `autoencoder(3)`. "auto" chooses one, or several
        side by side, for this image: see `ntkmc.choose_network`.
    prior : feature prior with independent entries; or features (channels, H, W) of the size of the
        image, for which the kernel is a `GridKernel`, as it is for networks that `PeriodicKernel`
        does not cover. "image" makes one of the image, beside the standard one: the completion is
        embedded by what surrounds each pixel and completed again, see
        `ntkmc.inpainting.image_prior`. With network="auto" that is done where pixels held out say
        that it helps. Signals and volumes have priors with independent entries only.
    kind : "ntk" (a trained network) or "nngp" (only its last layer trained).
    solver : "auto" (Cholesky up to 4096 pixels, then conjugate gradients; Cholesky for every
        `GridKernel`, whose neighbours need not be near), "cholesky", "conjugate_gradient",
        "eigenpro", or a solver object, which then brings its own ridge and tolerance. With a prior
        made of the image and "auto", in images of more than 128 x 128 pixels each missing one is
        solved for on its own, from near and similar ones; else all together in the last round.
    ridge : lambda, relative to the mean of the kernel's diagonal; by default 0, or what
        network="auto" chooses.
    rtol : relative residual to solve to.
    margin : unobserved pixels put below and right of the image, without which circular padding
        lets each edge see the opposite one; by default 32 for a kernel on a torus (8 in volumes), 0
        for others. The paper's networks have none.
    dtype : of the kernel, "float32" or "float64".
    kernel : one made before, on a grid at least as large as the image; network, prior, kind and
        dtype then say nothing.
    return_std : whether to say how uncertain each pixel is, see `ntkmc.Uncertainty`; takes at least
        16 observed pixels.
    channel_axis : which axis of the image is that of channels, as in scikit-image; without it the
        last, if there is one more than those of pixels. What is returned has it there, too.
    progress : called with (stage, done, total).

    Raises
    ------
    ValueError : the image or the mask has a wrong shape, nothing or everything is observed, NaN
        where observed; too few observed for `return_std`.
    ArchitectureError : the network is no image-to-image network.
    SingularKernelError : a ridge is needed.
    NotEnoughMemoryError : predicted before it is allocated.
    """
    image = channels_last(image, channel_axis)
    axes = np.ndim(mask) if mask is not None else 2 if channel_axis is None else image.ndim - 1
    image = check_image(image, axes, channel_axis)
    mask = check_mask(mask, image, axes)
    check_settings(network, prior, ridge, rtol, margin, kernel, axes)
    if return_std:
        check_enough(int(mask.sum()))
    clock = _Clock(progress)
    selection = None
    asked_for = isinstance(prior, str)
    try_image = asked_for or (isinstance(network, str) and kind == "ntk" and axes == 2)
    if asked_for:
        prior = POSITIONS
    if kernel is not None:
        network = kernel.network
    elif isinstance(network, str):
        clock.start("choosing a network")
        selection = choose_network(
            image, mask, prior=prior, kind=kind, ridge=ridge, dtype=dtype, progress=progress
        )
        network, ridge = selection.network, selection.ridge
    elif network is None:
        network = autoencoder(6 if axes <= 2 else 3)
    periodic = kernel is None and isinstance(prior, IIDPrior) and covers(network, axes)
    chosen = choose_solver(solver, periodic, mask.sum(), ridge or 0.0, rtol)

    clock.start("kernel")
    extent = with_margin(mask.shape, margin, periodic, kernel, prior)
    built: PeriodicKernel | GridKernel
    if kernel is not None:
        built = kernel
    elif selection is not None:
        built = selected_kernel(selection, extent, prior, kind, dtype)
    else:
        make = periodic_kernel if periodic else grid_kernel
        built = make(network, extent, prior, kind, dtype, progress)
    if any(large < side for large, side in zip(built.shape, mask.shape, strict=True)):
        raise ValueError(
            f"the kernel is of {built.shape} pixels and the image has {mask.shape}: pass a kernel "
            "or features that are at least as large"
        )
    mean = image[mask].astype(np.float64).mean(axis=0)
    centred = np.where(_over(mask, image), image - mean, 0.0)
    image_prior, exact = None, None
    if try_image:
        clock.start("choosing a prior")
        image_prior = rehearse(
            built, centred, mask, chosen.ridge, asked_for=asked_for, progress=progress
        )
        if solver != "auto" or mask.size <= TOGETHER:
            exact = choose_solver(solver, periodic, mask.sum(), image_prior.settings.ridge, rtol)
    completed = complete(
        built,
        centred,
        mask,
        chosen,
        image_prior,
        everywhere=asked_for,
        exact=exact,
        return_std=return_std,
        clock=clock,
    )
    clock.stop()
    prediction, uncertainty = completed.image + mean, completed.uncertainty
    if uncertainty is not None:
        std = channels_back(uncertainty.std, channel_axis)
        uncertainty = dataclasses.replace(uncertainty, std=std)
    return InpaintResult(
        channels_back(_compose(image, mask, prediction), channel_axis),
        channels_back(prediction, channel_axis),
        mask,
        completed.solve,
        built,
        network,
        clock.seconds,
        selection,
        uncertainty,
        completed.image_prior,
    )


def _over(mask, image):
    """The mask, over the image's channels if it has any."""
    return mask.reshape(*mask.shape, *(1,) * (image.ndim - mask.ndim))


class _Clock:
    """Seconds of each stage, told to `progress` as they begin."""

    def __init__(self, progress):
        self.seconds, self._stage, self.progress = {}, None, progress

    def start(self, stage):
        self.stop()
        self._stage, self._since = stage, time.perf_counter()
        if self.progress:
            self.progress(stage, 0, None)

    def stop(self):
        if self._stage:
            took = time.perf_counter() - self._since
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + took


def _compose(image, mask, prediction):
    if np.issubdtype(image.dtype, np.integer):
        limits = np.iinfo(image.dtype)
        prediction = np.rint(prediction).clip(limits.min, limits.max)
    return keep_observed(image, mask, prediction.astype(image.dtype))
