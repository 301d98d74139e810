"""The part of a page that shows what each pixel was filled in from: point at one and see."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from ntkmc.inpainting.filled_from import by_prior, filled_from
from ntkmc.inpainting.image_prior import ImagePrior
from ntkmc.report import Report, image_uri

COUNT = 12  # of each pixel's neighbours, those of largest weight
LARGEST = 3 * 10**6  # characters; with its pictures a page on 512 x 512 colours has 4.8 MB

_SCRIPT = Path(__file__).with_name("filled_from.js")
_STYLE = """
.filled { --plus: #0a84ff; --minus: #e8590c; display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: 1fr 1fr; align-items: start; }
@media (max-width: 40rem) { .filled { grid-template-columns: 1fr; } }
.filled > div { position: relative; }
.filled img { width: 100%; height: auto; display: block; image-rendering: pixelated; }
.filled div canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: crosshair; }
.filled > canvas { width: 100%; aspect-ratio: 1; border: 1px solid var(--line);
  background: var(--card); }
.filled canvas:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.filled figcaption { grid-column: 1 / -1; }
.filled b { color: var(--plus); } .filled i { color: var(--minus); font-style: normal; }
"""


def show_filled_from(
    page: Report,
    prior: ImagePrior,
    mask: Bool[np.ndarray, "H W"],
    image: np.ndarray,
    picture: np.ndarray,
) -> None:
    """Add it to a page.

    Parameters
    ----------
    page : to add to.
    prior : used.
    mask : True where observed.
    image : (H, W) or (H, W, C), completed, whose values the captions tell.
    picture : the same to look at, uint8 or floats in [0, 1].
    """
    (packed, told), missing = pack(prior, mask, image), np.count_nonzero(~mask)
    some = "" if told == missing else f" {told:,} of the {missing:,} missing pixels can be chosen."
    if math.isfinite(prior.deepest):
        some += (
            f" Those more than {prior.deepest:g} pixels from what is observed were left to the "
            "network of positions."
        )
    page.heading("What each pixel was filled in from")
    page.paragraph(
        "Point at a missing pixel, tap it, or go from one to the next with the arrow keys. Its "
        "value is a weighted sum of observed ones, all measured from their mean. The "
        f"{packed['count']} that count most are drawn, larger and more opaque the more they "
        f"count.{some}"
    )
    if prior.off is not None:
        page.paragraph(
            "At the end all pixels were solved for together, from all observed ones, which moved "
            f"values by {prior.off:.1%} from these sums."
        )
    code = _SCRIPT.read_text(encoding="utf-8")
    call = f"explore(document.currentScript.parentNode, {json.dumps(packed)});"
    # Within a function, so that its names are no others' on the page.
    page.part(_FIGURE % (image_uri(picture), f"(() => {{\n{code}{call}\n}})();"), _STYLE)


def pack(
    prior: ImagePrior, mask: Bool[np.ndarray, "H W"], image: np.ndarray
) -> tuple[dict[str, Any], int]:
    """What the page's script reads, and of how many pixels: evenly spaced ones if not of all.

    Arrays are little-endian and in base64. Weights have 8 bits, relative to each pixel's largest.
    """
    pixels = by_prior(prior, mask)
    values = image.reshape(*mask.shape, -1)[tuple(pixels.T)]
    each = 4 * (2 + values.shape[1]) + 3 * COUNT + 3  # bytes, with offsets of 8 bits
    most = max(1, LARGEST * 3 // 4 // each)
    which = np.linspace(0, len(pixels) - 1, min(len(pixels), most)).round().astype(int)
    found = filled_from(prior, mask, which, COUNT)
    wide = bool(np.abs(found.offsets).max() > 127)
    scales = np.abs(found.weights).max(axis=1, keepdims=True)
    rounded = np.rint(127 * found.weights / np.where(scales > 0, scales, 1))
    packed = {
        "shape": mask.shape,
        "count": found.weights.shape[1],
        "channels": values.shape[1],
        "wide": wide,
        "pixels": _text(np.ravel_multi_index(tuple(found.pixels.T), mask.shape), "<u4"),
        "offsets": _text(found.offsets, "<i2" if wide else "i1"),
        "weights": _text(rounded, "i1"),
        "scales": _text(scales, "<f4"),
        "near": _text(found.near, "u1"),
        "nearShare": _text(np.rint(100 * found.near_share), "u1"),
        "told": _text(np.rint(100 * found.told), "u1"),
        "values": _text(values[which], "<f4"),
    }
    return packed, len(which)


def _text(values: np.ndarray, dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode()


_FIGURE = """<figure class="filled">
<div><img src="%s" alt="filled in"><canvas tabindex="0" role="application"
 aria-label="Missing pixels: arrow keys go from one to the next"
 aria-describedby="filled-from"></canvas></div>
<canvas role="img" aria-label="Enlarged: the chosen pixel and those that filled it in"></canvas>
<figcaption><span id="filled-from" aria-live="polite">This picture needs JavaScript.</span>
<span>Squares: near pixels, discs: similar ones. <b>&#9632;</b> positive weight, white edge;
<i>&#9632;</i> negative, black edge.</span></figcaption>
<script>%s</script>
</figure>"""
