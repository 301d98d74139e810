"""The images of the paper's tables, by name, from a folder or a download.

Large holes (SI figure 8): ``library`` and ``vase``, in colour, with their masks. Reconstruction (SI
figure 10): eleven greys. ``rabbit`` is the image of figure 4. Nothing is shipped with the package.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
import pooch
from jaxtyping import Bool, Float

from ntkmc.datasets._folder import ROOT_VARIABLE, data_folder
from ntkmc.images import as_float, read_image, read_mask

# SHA-256 of the files as the paper's tables use them.
CHECKSUMS = {
    "barbara.png": "764b8a2748cc7ad381cccc047c5e512cb528c197ba86adb83aa339e8932e66c0",
    "boat.png": "18bea4de1634456f5791d16301863fc974401d144cd6afb86f09a6be4620fe54",
    "cameraman.png": "0da05a64c5090d4f49a021e884451788a5ae0b7ecf3b565be8afd5bf1cc1c2e2",
    "couple.png": "f6acd12953db8c1f5a0dda53fef4233be37a61702cd22d5be742cf7c039021f2",
    "fingerprint.png": "da7daa343256aa187cf36161e3113b382eb7bb37f3ba23d3dfc99e15697619ab",
    "hill.png": "f181874584ca31e209ee4e78ed836f742bd6692fb268fa3de1b3c861ed56c3b3",
    "house.png": "576b2b3b6ff4d7e6c8ddccb0df645774f9b986c81219c28e16ba1935990a0b29",
    "lena.png": "614176830c78cf7ef2c6119f9750877abe96736358492d6d299e2589feac2524",
    "library.png": "4795d1f90c0c5310456057a8ea219e2bcf9ff2f6abcd9a192abfe0c2d472a647",
    "library_mask.png": "6908be662bf67becc5495422f242eac7e4701a91d5c814112d804d22b37fcc55",
    "man.png": "a8791afbd2af4f977f30c3a9a72a50204264440c27b1f4bb282a085eb680abe1",
    "montage.png": "9315f18ec482a6678586f795be04beda3e3680e9facbcaadd6e547d83c65218e",
    "peppers.png": "92de94d7b8ef9e645546821150eff5c765d0d29666f9bc7d20b61063f35c3305",
    "rabbit.jpg": "b6a5f6c1746ee4692218ee1cd1afa634ab6c0b3c0b1687df00d07c1422f3a2b2",
    "vase.png": "1c25862a0a914bdb29ee793d182533b9e64c2c2da40d56623ee33f9dcfd38424",
    "vase_mask.png": "9f7a689863d21c920b00c771df45c65c76c32b924ed3dfc11e81d1fc6ecd350a",
}


@dataclass(frozen=True)
class MaskedImage:
    """An image and what is observed of it.

    Attributes
    ----------
    name : str
    image : float64 array (H, W) or (H, W, C)
        The true image, values in [0, 1].
    mask : bool array (H, W), or None
        True where a pixel is observed; None where the data set comes without a mask.
    """

    name: str
    image: Float[np.ndarray, "H W *C"]
    mask: Bool[np.ndarray, "H W"] | None


def load_image(name: str, root: str | Path | None = None, url: str | None = None) -> MaskedImage:
    """An image and its mask, by name.

    Parameters
    ----------
    name : str
        Such as ``"vase"``. In a local folder any name does.
    root : path, optional
        A folder that holds ``images/<name>.png`` (or ``.jpg``) and, where there is one,
        ``images/<name>_mask.png``, white where a pixel is observed. Where it is not given, the
        environment variable ``NTKMC_DATA`` is read.
    url : str, optional
        Where there is no folder: an address that ``<name>.png`` can be appended to. Files are kept
        in the user's cache, and refused where they are not, byte for byte, those of ``CHECKSUMS``.

    Raises
    ------
    FileNotFoundError
        Saying where the image was looked for and what to set.
    ValueError
        If a mask does not have its image's size, or a download not its checksum.
    """
    folder = data_folder(root)
    if folder is not None:
        image_path, mask_path = _local(name, folder / "images")
    elif url is not None:
        image_path, mask_path = _download(name, url)
    else:
        raise FileNotFoundError(
            f"image {name!r}: there is no data folder; set {ROOT_VARIABLE} (or root) to a folder "
            f"with images/{name}.png, or url to where it can be downloaded from"
        )
    image = as_float(read_image(image_path))
    mask = None if mask_path is None else read_mask(mask_path)
    if mask is not None and mask.shape != image.shape[:2]:
        raise ValueError(f"{mask_path} is {mask.shape} and its image {image.shape[:2]}")
    return MaskedImage(name, image, mask)


def _local(name: str, folder: Path) -> tuple[Path, Path | None]:
    found = [path for path in _candidates(name, folder) if path.is_file()]
    if not found:
        places = " or ".join(str(path) for path in _candidates(name, folder))
        raise FileNotFoundError(
            f"image {name!r}: not at {places}; set {ROOT_VARIABLE} (or root) to the folder above "
            "images/, or unset it and give a url"
        )
    mask = folder / f"{name}_mask.png"
    return found[0], mask if mask.is_file() else None


def _candidates(name: str, folder: Path) -> list[Path]:
    return [folder / f"{name}{suffix}" for suffix in (".png", ".jpg")]


def _download(name: str, url: str) -> tuple[Path, Path | None]:
    known = [path.name for path in _candidates(name, Path()) if path.name in CHECKSUMS]
    if not known:
        names = sorted({Path(file).stem for file in CHECKSUMS if "_mask" not in file})
        raise FileNotFoundError(f"image {name!r} has no checksum; pass one of {', '.join(names)}")
    files = [*known, f"{name}_mask.png"]
    store = pooch.create(
        path=Path(platformdirs.user_cache_dir("ntkmc")) / "images",
        base_url=url.rstrip("/") + "/",
        registry=CHECKSUMS,
    )
    fetched = [Path(store.fetch(file)) for file in files if file in CHECKSUMS]
    return fetched[0], fetched[1] if len(fetched) > 1 else None
