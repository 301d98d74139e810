"""Gram matrices of images: the kernels of networks that give numbers for an image."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Num

from ntkmc import memory
from ntkmc.architecture import Network, check, weighted_branches
from ntkmc.kernels import _files
from ntkmc.kernels._gram_head import through_head
from ntkmc.kernels._gram_plan import plan_of
from ntkmc.kernels._gram_scale import Scaled, in_float64, require_range, scaled
from ntkmc.kernels._gram_tiles import Runner, tiles
from ntkmc.progress import Progress

KINDS = ("nngp", "ntk")
SAVE_SECONDS = 30.0

Images = Num[Array | np.ndarray, "_ h w c"]
Matrix = Float[np.ndarray, "_ _"]


class Grams(NamedTuple):
    """The kernels of one network that were asked for, (n1, n2) each."""

    nngp: Matrix | None = None
    ntk: Matrix | None = None


def gram(
    network: Network,
    x1: Images,
    x2: Images | None = None,
    kind: str | Sequence[str] = KINDS,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Grams | Matrix:
    r"""Kernels between images, of plain and of group convolutional networks.

    For a network of convolutions and activations, the mean over all pixels (or all of them as one
    vector) and dense layers. With K the kernel between pixels t of x and t' of x', a convolution
    with filter S averages over the same offset on both sides,

    .. math:: K'(t, t') = \frac{1}{|S|} \sum_{s \in S} K(t + s, t' + s), \qquad
              \Theta' = \frac{1}{|S|} \sum_{s \in S} \Theta(t + s, t' + s) + K'(t, t'),

    and never mixes pairs of different distances t' - t: memory grows with the pixels of an image,
    not with their square, and each layer is a box filter in cache. For a point group P, with
    :math:`\rho(r) x` the image turned by r, group pooling and pooling of all pixels make of it

    .. math:: \Theta_P(x, x') = \frac{1}{|P|} \sum_{r \in P} \Theta(x, \rho(r) x'),

    with the plain network's kernel on the right (for filters that P maps to themselves and all of
    P in each filter, which the layers have). What the network would compute is said in
    `ntkmc.stax`; its kernel there is this one.

    Parameters
    ----------
    network : Sequential or Parallel
        Of `Conv` (circular or zero padding) or `LiftingConv`, `GroupConv` and `GroupPool` (the
        group C1 makes a plain network, also without padding), `Downsample`, activations,
        `GlobalAvgPool` or `Flatten`, `Dense`. NTK parameterization, no biases.
    x1 : (n1, h, w, channels)
        Computed with in their own precision, float32 or float64, whatever JAX's setting is; whole
        numbers in that of the other list, or in float32. With `Erf`, float32 images with values
        beyond 8 are computed with in float64.
    x2 : (n2, h, w, channels); `x1` where not given, and each pair is then computed once.
    kind : "nngp", "ntk", or a sequence of these.
    checkpoint : path
        What is computed is saved in this file every half a minute, and a call with the same images
        goes on from there, on whichever device. A `Parallel` network has a file for each branch.
    progress : called with the stage, how many blocks of pairs are done, and of how many.

    Returns
    -------
    (n1, n2) NumPy array, or `Grams` where `kind` is a sequence.

    Notes
    -----
    Images are divided by their lengths inside, so that it does not matter how large they are, and
    an image and a multiple of it are as exact as an image and itself. Kernels are off by some
    roundings, 1e-6 of the root of the product of two images' own in float32 and 1e-14 in float64;
    only where an activation meets very many patches (or, after the readout, images) that are
    parallel, but not equally long, or opposite, by up to 3e-4 and 2e-8: a derivative of infinite
    slope there sees the rounding of a difference (`apply_dual`).

    Raises
    ------
    ValueError
        If images are no such arrays, not finite, or so large or small that their type cannot hold
        the kernel; the two lists differ in sides, channels or precision; `kind` is unknown; or the
        checkpoint is of something else, or no such file.
    ArchitectureError
        For a network that cannot take such images, gives images, or mixes pixels in another way
        (reflecting padding, upsampling, layers after a GroupPool).
    NotEnoughMemoryError
        Before anything is computed.

    References
    ----------
    Arora et al., "On exact computation with an infinitely wide neural net", 2019 (pooling);
    Misof, Gerken, Kessel, "Equivariant neural tangent kernels", 2024 (group convolutions).
    """
    kinds = _checked_kinds(kind)
    x1, x2 = _checked_images(x1, x2)
    shape = x1.shape[1:3]
    check(network, shape)
    plans = [(weight, plan_of(branch, shape)) for weight, branch in weighted_branches(network)]
    n1, n2 = len(x1), len(x1 if x2 is None else x2)
    # What is pooled, and what its head makes of it in float64, with a copy each and their sum.
    memory.require(
        (2 if "ntk" in kinds else 1) * n1 * n2 * (2 * x1.itemsize + 3 * 8),
        f"{' and '.join(kinds)} between {n1} and {n2} images",
        "pass fewer images, or parts of them one after another",
    )
    given = [x1] if x2 is None else [x1, x2]
    exact = in_float64([plan for _, plan in plans], given)
    sides = [scaled(x.astype(np.float64) if exact else x) for x in given]
    made_by = _made_by(network, given, kinds)
    branches = []
    for number, (weight, plan) in enumerate(plans):
        runner = Runner(plan, sides[0].images.dtype, "ntk" in kinds)
        variances = [runner.variances(x) for x in sides]
        require_range(plan, weight * len(plans), sides, variances, x1.dtype)
        saved = None
        if checkpoint is not None:
            path = Path(f"{os.fspath(checkpoint)}{f'.{number}' if number else ''}")
            saved = _Checkpoint.at(path, made_by)
        branches.append((weight, runner, variances, saved))
    total: dict[str, np.ndarray] = dict.fromkeys(kinds, np.zeros((n1, n2)))
    for weight, runner, variances, saved in branches:
        of_branch = _of_branch(runner, sides, variances, saved, progress)
        total = {name: total[name] + weight * of_branch[name] for name in kinds}
    found = {name: np.asarray(matrix, x1.dtype) for name, matrix in total.items()}
    return found[kind] if isinstance(kind, str) else Grams(**found)


def _of_branch(runner: Runner, sides: list[Scaled], variances, saved, progress):
    symmetric, (n1, n2) = len(sides) == 1, (len(sides[0]), len(sides[-1]))
    needed = ("gap", "ntk") if runner.with_ntk else ("gap",)
    pooled = {name: np.full((n1, n2), np.nan, runner.dtype) for name in needed}
    if saved is not None:
        pooled.update(saved.found)
    wanted = [
        tile
        for tile in tiles(n1, n2, *runner.block_shape(n1, n2), symmetric=symmetric)
        if (np.isnan(pooled["gap"][np.ix_(*tile)]) & _computed(tile, symmetric)).any()
    ]
    last_saved = time.monotonic()
    for done, (tile, blocks) in enumerate(runner.run(sides[0], sides[-1], wanted)):
        for name, block in zip(needed, blocks, strict=True):
            pooled[name][np.ix_(*tile)] = block
        if progress is not None:
            progress("blocks of pairs", done + 1, len(wanted))
        if saved is not None and time.monotonic() - last_saved > SAVE_SECONDS:
            saved.write(pooled)
            last_saved = time.monotonic()
    if saved is not None and wanted:
        saved.write(pooled)
    if symmetric:
        pooled = {name: np.triu(half) + np.triu(half, 1).T for name, half in pooled.items()}
    if not runner.plan.head_bends:
        own_gaps = [np.zeros(len(x)) for x in sides]
    elif symmetric:  # the same number, not the same to rounding
        own_gaps = [np.diagonal(pooled["gap"]).astype(np.float64)]
    else:
        own_gaps = [runner.own_gaps(x).astype(np.float64) for x in sides]
    return through_head(runner.plan, pooled, variances, own_gaps, [x.lengths for x in sides])


def _computed(tile, symmetric: bool):
    """Which entries of a tile are used: of a symmetric matrix those on and above the diagonal."""
    return tile[0][:, None] <= tile[1] if symmetric else True


def _made_by(network, given, kinds) -> dict[str, Any]:
    """What a checkpoint must be of, to be gone on from."""
    digest = hashlib.sha256()
    for images in given:
        digest.update(repr((images.shape, str(images.dtype))).encode())
        digest.update(np.ascontiguousarray(images).tobytes())
    about = {"images": digest.hexdigest(), "ntk": "ntk" in kinds, "lengths": "one"}
    return {"network": network, **about}


class _Checkpoint(NamedTuple):
    """Pooled kernels in a file; NaN where a pair is not done."""

    path: Path
    made_by: dict[str, Any]
    found: dict[str, np.ndarray]

    @classmethod
    def at(cls, path: Path, made_by) -> "_Checkpoint":
        if not path.parent.is_dir():
            raise ValueError(f"checkpoint was {str(path)!r}; make the folder {path.parent} first")
        if not path.exists():
            return cls(path, made_by, {})
        try:
            return cls(path, made_by, _files.read(path, made_by))
        except ValueError as error:
            raise ValueError(
                f"checkpoint was {str(path)!r}: {error}; delete that file or pass another path"
            ) from None

    def write(self, pooled) -> None:
        _files.write(self.path, pooled, self.made_by)


def _checked_kinds(kind) -> tuple[str, ...]:
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    if not kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"kind was {kind!r}; pass 'nngp', 'ntk' or ('nngp', 'ntk')")
    return kinds


def _checked_images(x1, x2) -> tuple[np.ndarray, np.ndarray | None]:
    checked = []
    given = {name: np.asarray(x) for name, x in (("x1", x1), ("x2", x2)) if x is not None}
    floating = [x.dtype for x in given.values() if x.dtype in (np.float32, np.float64)]
    for name, images in given.items():
        if images.ndim != 4 or not images.size:
            raise ValueError(
                f"{name} has shape {images.shape}; pass images (n, height, width, channels)"
            )
        if images.dtype.kind in "iub":
            images = images.astype(floating[0] if floating else np.float32)
        if images.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name} has type {images.dtype}; pass float32 or float64")
        if not np.isfinite(images).all():
            place = tuple(np.argwhere(~np.isfinite(images))[0].tolist())
            raise ValueError(
                f"{name}[{place[0]}] has the value {images[place]} in pixel {place[1:3]}; pass "
                "images without missing values, or leave this one out"
            )
        checked.append(images)
    if len(checked) == 1:
        return checked[0], None
    if checked[0].shape[1:] != checked[1].shape[1:]:
        raise ValueError(
            f"x1 has images of {checked[0].shape[1:]} and x2 of {checked[1].shape[1:]} (height, "
            "width, channels); pass the same for both"
        )
    if checked[0].dtype != checked[1].dtype:
        raise ValueError(
            f"x1 has type {checked[0].dtype} and x2 {checked[1].dtype}; pass the same for both"
        )
    return checked[0], checked[1]
