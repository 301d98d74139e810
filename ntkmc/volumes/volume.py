"""What a volume is, and how the numbers of its file become values and numbers again."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

MOST_CHANNELS = 4  # of a colour video; a time series in NIfTI may have any number of volumes
GEOMETRIC = ("NIfTI", "DICOM")  # formats that say where in space their voxels are


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """Numbers as a file has them: its values are ``slope * array + intercept``."""

    array: np.ndarray
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_scaled(self) -> bool:
        """Whether values are other than the numbers."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    def values(self) -> np.ndarray:
        """Values in the file's units: float64, or the array itself where nothing is scaled."""
        if not self.is_scaled:
            return self.array
        return self.array * np.float64(self.slope) + np.float64(self.intercept)

    def replaced(self, values: np.ndarray) -> "Stored":
        """The same scaling with other values; numbers stay where the values do.

        They would differ by rounding in a file of floats; integers are rounded and clipped to the
        range of their type.
        """
        numbers = (values - self.intercept) / self.slope
        if self.array.dtype.kind in "iu":
            if not np.isfinite(numbers).all():
                raise ValueError(
                    f"values has NaN or infinite entries and the file {self.array.dtype}, which "
                    "holds none; fill them in, or write another type than the volume has"
                )
            limits = np.iinfo(self.array.dtype)
            numbers = np.rint(numbers).clip(limits.min, limits.max)
        same = values == self.values()
        return dataclasses.replace(
            self, array=np.where(same, self.array, numbers.astype(self.array.dtype))
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Volume:
    """A volume as its file has it.

    Attributes
    ----------
    values : (A, B, C), or (A, B, C, channels): the volumes of a time series in NIfTI, the colours
        of a video. Of the type that is stored; float64 in the file's units where it stores numbers
        that are to be scaled. Axes are those of the file in NIfTI and NumPy; slices or frames,
        rows, columns in the others.
    spacing : of the three axes, in the file's units (mm in DICOM); None where it says nothing.
    source : where it is from.
    format : "NIfTI", "DICOM", "NumPy", "TIFF" or "frames".
    absent : places along the first axis of slices or frames that the series lacks; zero in
        ``values``.
    affine : from indices of ``values`` to mm towards the right, the front and the top (RAS); None
        where the file does not say.
    """

    values: np.ndarray
    spacing: tuple[float, float, float] | None
    source: Path
    format: str
    absent: tuple[int, ...] = ()
    affine: Float[np.ndarray, "4 4"] | None = None
    # What only its format's own module reads: the numbers before they were scaled, and the class
    # and header of a NIfTI file, or the names of frames.
    _stored: Stored | None = dataclasses.field(default=None, repr=False)
    _header: Any = dataclasses.field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each axis."""
        first, second, third = self.values.shape[:3]
        return first, second, third

    @property
    def has_values(self) -> Bool[np.ndarray, "A B C"]:
        """Where the file has a finite value in each channel."""
        there = np.isfinite(self.values).reshape(*self.shape, -1).all(axis=3)
        there[list(self.absent)] = False
        return there

    def numbers(self, values: np.ndarray) -> Stored:
        """How other values of the same type are stored; those of another type as they are."""
        if self._stored is None or not self._stored.is_scaled or values.dtype != self.values.dtype:
            return Stored(values)
        if values.shape != self.values.shape:
            raise ValueError(
                f"values has shape {values.shape}; expected {self.values.shape}, or another type "
                f"than {values.dtype}, which is stored with the scaling of the volume's file"
            )
        return self._stored.replaced(values)


def check_values(values: np.ndarray, what: str, channels: int | None = MOST_CHANNELS) -> None:
    """Refuse arrays that are no volume.

    Raises
    ------
    ValueError
        If they are not real numbers along three axes, or one more for channels.
    """
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{what} holds {values.dtype}; pass real numbers")
    if values.ndim not in (3, 4) or 0 in values.shape:
        raise ValueError(
            f"{what} has shape {values.shape}; a volume has three axes, or one more for channels"
        )
    if channels is not None and values.ndim == 4 and values.shape[3] > channels:
        raise ValueError(
            f"{what} has shape {values.shape}, the last axis for channels, of which there are at "
            f"most {channels}; pass three axes, or one volume a channel as NIfTI"
        )
