"""Feature priors with independent entries.

A feature prior Z gives each pixel a vector of c features. With entries that are independent with
mean m and variance v, the second moments

    (1 / c) sum_p Z[p, x] Z[p, x']  ->  C1 = m^2 + v  if x = x',    C2 = m^2  otherwise,

as c grows: two numbers are all that the kernel sees (the paper's appendix M, equation 12, where the
sum is not divided by c, which scales both).
"""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from ntkmc._random import normal, uniform


@runtime_checkable
class IIDPrior(Protocol):
    """A prior that the periodic kernel can use: only its two second moments matter."""

    @property
    def same(self) -> float:
        """C1 = E[z z]."""
        ...

    @property
    def different(self) -> float:
        """C2 = E[z z'] of two independent entries."""
        ...

    def sample(self, key: Array, shape: Sequence[int]) -> Float[Array, "..."]:
        """Independent entries."""
        ...


@dataclass(frozen=True)
class IIDUniform:
    """Entries uniform on [low, high).

    C1 = (low^2 + low high + high^2) / 3 and C2 = (low + high)^2 / 4. The defaults are the prior
    of the paper's large-hole inpainting (section 5).
    """

    low: float = 0.0
    high: float = 0.1

    def __post_init__(self):
        _require_finite(self, "low")
        _require_finite(self, "high")
        if self.low >= self.high:
            raise ValueError(
                f"IIDUniform: low was {self.low!r} and high {self.high!r}; pass low < high"
            )

    @property
    def same(self) -> float:
        """C1 = E[z z]."""
        return (self.low * self.low + self.low * self.high + self.high * self.high) / 3

    @property
    def different(self) -> float:
        """C2 = E[z]^2."""
        mean = (self.low + self.high) / 2
        return mean * mean

    def sample(self, key: Array, shape: Sequence[int]) -> Float[Array, "..."]:
        """Independent entries of the given shape, from a ``jax.random`` key."""
        return uniform(key, shape, self.low, self.high)


@dataclass(frozen=True)
class IIDNormal:
    """Entries normal with this mean and standard deviation: C1 = mean^2 + std^2, C2 = mean^2."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self):
        _require_finite(self, "mean")
        _require_finite(self, "std")
        if self.std <= 0:
            raise ValueError(f"IIDNormal: std was {self.std!r}; pass a positive number")

    @property
    def same(self) -> float:
        """C1 = E[z z]."""
        return self.mean * self.mean + self.std * self.std

    @property
    def different(self) -> float:
        """C2 = E[z]^2."""
        return self.mean * self.mean

    def sample(self, key: Array, shape: Sequence[int]) -> Float[Array, "..."]:
        """Independent entries of the given shape, from a ``jax.random`` key."""
        return self.mean + self.std * normal(key, shape)


PRIORS: dict[str, type[IIDPrior]] = {"iid_uniform": IIDUniform, "iid_normal": IIDNormal}


def _require_finite(prior: object, field: str) -> None:
    value = getattr(prior, field)
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(f"{type(prior).__name__}: {field} was {value!r}; pass a finite number")
    object.__setattr__(prior, field, float(value))
