"""Interpolation of signals, images and volumes: along one axis, or between scattered voxels."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import LinearNDInterpolator, RBFInterpolator, make_interp_spline
from scipy.ndimage import binary_dilation, distance_transform_edt
from scipy.spatial import QhullError

from ntkmc.images import keep_observed
from ntkmc.solvers.blas import one_thread

_AROUND = 2  # voxels: those farther from all missing ones are not triangulated
# Voxels by which observed ones are moved before they are triangulated. Without, 4 % of simplices
# of a lattice are flat, and scipy takes ten times as long (33,113 voxels: 24 seconds and 2.2).
_MOVED = 1e-5
_AT_A_TIME = 2**15  # voxels that a spline is evaluated at


def interpolate_along(
    values: Float[np.ndarray, "..."], mask: Bool[np.ndarray, "..."], axis: int, degree: int = 1
) -> Float[np.ndarray, "..."]:
    """Fill each line of voxels along one axis with a spline through its observed ones.

    Before the first observed voxel of a line and after its last one, their values are repeated.

    Parameters
    ----------
    values : float array of the mask's shape, or with one axis more for channels
        Values at missing voxels are not read.
    mask : bool array
        True where a voxel is observed.
    axis : int
        Of the mask.
    degree : int
        Of the spline: 1 is linear interpolation, 3 a cubic spline with not-a-knot ends; where a
        line has too few observed voxels for that, one less than it has.

    Returns
    -------
    float64 array of the shape of ``values``

    Raises
    ------
    ValueError
        If a line with a missing voxel has no observed one.
    """
    _check(values, mask)
    lines = np.moveaxis(mask, axis, 0)
    length = lines.shape[0]
    filled = np.moveaxis(keep_observed(values, mask).astype(np.float64), axis, 0)
    flat = filled.reshape(length, mask.size // length, -1)
    patterns, which = np.unique(lines.reshape(length, -1), axis=1, return_inverse=True)
    positions = np.arange(length)
    for number, observed in enumerate(patterns.T):
        if observed.all():
            continue
        if not observed.any():
            raise ValueError(
                f"interpolate_along: lines along axis {axis} have no observed voxel; pass another "
                "axis"
            )
        those = np.flatnonzero(which.ravel() == number)
        knots, missing = positions[observed], positions[~observed]
        known = flat[observed][:, those]
        if len(knots) == 1:
            flat[np.ix_(missing, those)] = known
            continue
        spline = make_interp_spline(knots, known, min(degree, len(knots) - 1))
        flat[np.ix_(missing, those)] = spline(np.clip(missing, knots[0], knots[-1]))
    return np.moveaxis(flat.reshape(filled.shape), 0, axis)


def interpolate_linearly(
    values: Float[np.ndarray, "..."], mask: Bool[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Fill missing voxels linearly within the simplices between observed ones.

    The simplices are those of Delaunay's triangulation of the observed voxels at most two steps
    from a missing one (moved by up to 3e-5 voxels, so that none is flat). Outside of all of them,
    the nearest observed voxel is repeated.

    Parameters
    ----------
    values : float array of the mask's shape, or with one axis more for channels
        Values at missing voxels are not read.
    mask : bool array, of two axes or more
        True where a voxel is observed.

    Returns
    -------
    float64 array of the shape of ``values``
    """
    _check(values, mask)
    filled = nearest_observed(values, mask)
    near = mask & binary_dilation(~mask, np.ones((3,) * mask.ndim), iterations=_AROUND)
    targets = np.argwhere(~mask)
    try:
        with one_thread():
            linear = LinearNDInterpolator(_moved(near), values[near].astype(np.float64))
            found = linear(targets).reshape(len(targets), -1)
    except (QhullError, ValueError):  # observed voxels in one plane, or too few of them
        return filled
    inside = np.isfinite(found).all(axis=1)
    rows = filled.reshape(*mask.shape, -1)
    rows[tuple(targets[inside].T)] = found[inside]
    return filled


def interpolate_smoothly(
    values: Float[np.ndarray, "..."], mask: Bool[np.ndarray, "..."], neighbours: int = 32
) -> Float[np.ndarray, "..."]:
    r"""Fill each missing voxel with the thin-plate spline through the observed ones nearest to it.

    Of all functions through those values it has the least ``sum_ij integral (d_i d_j f)^2``:

    .. math:: f(x) = a + b \cdot x + \sum_{x'} w_{x'} \varphi(|x - x'|),

    with phi(r) = r^2 log r of images and r of volumes, and w orthogonal to all linear functions.

    Parameters
    ----------
    values : float array of the mask's shape, or with one axis more for channels
        Values at missing voxels are not read.
    mask : bool array, of two axes or three
        True where a voxel is observed.
    neighbours : int
        Observed voxels that each missing one is predicted from, or as many as there are.

    Returns
    -------
    float64 array of the shape of ``values``

    Raises
    ------
    ValueError
        If the nearest observed voxels all lie in one plane (of an image, on one line).

    References
    ----------
    Duchon, "Splines minimizing rotation-invariant semi-norms in Sobolev spaces" (1977), as computed
    by ``scipy.interpolate.RBFInterpolator``.
    """
    _check(values, mask)
    kernels = {2: "thin_plate_spline", 3: "linear"}
    if mask.ndim not in kernels:
        raise ValueError(f"mask has {mask.ndim} axes; interpolate_smoothly takes two or three")
    filled = keep_observed(values, mask).astype(np.float64)
    targets = np.argwhere(~mask)
    observed = values[mask].astype(np.float64).reshape(int(mask.sum()), -1)
    try:
        spline = RBFInterpolator(
            np.argwhere(mask).astype(float),
            observed,
            min(neighbours, len(observed)),
            kernel=kernels[mask.ndim],
            degree=1,
        )
        with one_thread():
            found = [
                spline(targets[start : start + _AT_A_TIME].astype(float))
                for start in range(0, len(targets), _AT_A_TIME)
            ]
    except np.linalg.LinAlgError:
        raise ValueError(
            f"interpolate_smoothly: {neighbours} nearest observed voxels lie in one plane; pass "
            "more neighbours, or interpolate along an axis"
        ) from None
    filled.reshape(*mask.shape, -1)[~mask] = np.concatenate(found)
    return filled


def nearest_observed(
    values: Float[np.ndarray, "..."], mask: Bool[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Each missing voxel as the nearest observed one; float64."""
    _check(values, mask)
    places = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return values[tuple(places)].astype(np.float64)


def _moved(observed):
    """Places in general position, and a little larger than they are: edges stay inside."""
    places = np.argwhere(observed).astype(np.float64)
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    outwards = np.sign(places - middle) * np.isclose(
        abs(places - middle), np.ptp(places, axis=0) / 2
    )
    random = np.random.default_rng(0).uniform(-_MOVED, _MOVED, places.shape)
    return places + random + 2 * _MOVED * outwards


def _check(values, mask):
    if mask.dtype != bool or mask.shape != values.shape[: mask.ndim]:
        raise ValueError(
            f"mask is {mask.dtype} {mask.shape}; pass a bool array of the sides of the values, "
            f"which are {values.shape}"
        )
    if values.ndim not in (mask.ndim, mask.ndim + 1):
        raise ValueError(
            f"values are {values.shape} and the mask {mask.shape}; pass at most one axis more"
        )
    if not mask.any():
        raise ValueError("nothing is observed: the mask is False everywhere")
