"""The images of the paper's tables, by name, from a folder or a download.

Large holes (SI figure 8): ``library`` and ``vase``, in colour, with their masks. Reconstruction (SI
figure 10): eleven greys. ``rabbit`` is the image of figure 4. Beside these the authors' repository
has ``kate`` with a mask, a large hole too, and nine photographs without: ``bird``, ``car``,
``flower``, ``horse``, ``lion``, ``squirrel``, ``tiger``, ``truck`` and ``turtle``. Nothing of these
is shipped with the package; the photographs ``astronaut``, ``chelsea``, ``coffee`` and ``rocket``
come with scikit-image.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
import pooch
import skimage
from jaxtyping import Bool, Float

from ntkmc.datasets._folder import ROOT_VARIABLE, data_folder
from ntkmc.images import as_float, read_image, read_mask

# SHA-256 of the files as they are in the authors' repository, which the paper's tables use.
CHECKSUMS = {
    "barbara.png": "764b8a2748cc7ad381cccc047c5e512cb528c197ba86adb83aa339e8932e66c0",
    "bird.jpg": "b305ff71e00b352523916c2851260f8ee09e90cf46dc045fb2ec0c647f199ce5",
    "boat.png": "18bea4de1634456f5791d16301863fc974401d144cd6afb86f09a6be4620fe54",
    "cameraman.png": "0da05a64c5090d4f49a021e884451788a5ae0b7ecf3b565be8afd5bf1cc1c2e2",
    "car.jpg": "0fb576ff19ddd7ea13117f98a3937be11d8fdd90b262dddb38bdb17d799c0f95",
    "couple.png": "f6acd12953db8c1f5a0dda53fef4233be37a61702cd22d5be742cf7c039021f2",
    "fingerprint.png": "da7daa343256aa187cf36161e3113b382eb7bb37f3ba23d3dfc99e15697619ab",
    "flower.jpg": "a4dd999f3f044d34d297eee28f7e616df33b3be19f417a3285269654de727a9e",
    "hill.png": "f181874584ca31e209ee4e78ed836f742bd6692fb268fa3de1b3c861ed56c3b3",
    "horse.jpg": "7fbe98b47d1c47e4ff9b14e0504a881338a72b93f62e74d0aeffe846b05b723e",
    "house.png": "576b2b3b6ff4d7e6c8ddccb0df645774f9b986c81219c28e16ba1935990a0b29",
    "kate.png": "8516aecf3628fd97ba12ab480d7b9c64d1c8e06be2ef603256087a40cae4971a",
    "kate_mask.png": "631ffd05b0fc43a72dc06c54331977173d5b4e6706bb4fa5191d822b90ea8f1b",
    "lena.png": "614176830c78cf7ef2c6119f9750877abe96736358492d6d299e2589feac2524",
    "library.png": "4795d1f90c0c5310456057a8ea219e2bcf9ff2f6abcd9a192abfe0c2d472a647",
    "library_mask.png": "6908be662bf67becc5495422f242eac7e4701a91d5c814112d804d22b37fcc55",
    "lion.jpg": "25dde1d46bb9ce590fc01896f79f7f24b7a5a63d4f503058f61a3ac5d17e7daa",
    "man.png": "a8791afbd2af4f977f30c3a9a72a50204264440c27b1f4bb282a085eb680abe1",
    "montage.png": "9315f18ec482a6678586f795be04beda3e3680e9facbcaadd6e547d83c65218e",
    "peppers.png": "92de94d7b8ef9e645546821150eff5c765d0d29666f9bc7d20b61063f35c3305",
    "rabbit.jpg": "b6a5f6c1746ee4692218ee1cd1afa634ab6c0b3c0b1687df00d07c1422f3a2b2",
    "squirrel.jpg": "fe36d865deb4b7cbdd744a26b05986c6580b3a6999e32397eebc4f31c74ec01f",
    "tiger.jpg": "f3337a3fc8c9f661469f7bf4bf00b4c3f49f4e9ec9fa23f1a760c4b24bd71b45",
    "truck.jpg": "4e623b2593f9ee400db701c4f9aad940a3c6224e072659eda7a2eea71ca32a38",
    "turtle.jpg": "aa6e4b6d8637fa09dce8a6753711231e137ac370b4eb3db79f2334c3ae1bca1e",
    "vase.png": "1c25862a0a914bdb29ee793d182533b9e64c2c2da40d56623ee33f9dcfd38424",
    "vase_mask.png": "9f7a689863d21c920b00c771df45c65c76c32b924ed3dfc11e81d1fc6ecd350a",
}

_AUTHORS = (
    "image_inpainting_notebooks/data of https://github.com/uhlerlab/ntk_matrix_completion, where "
    "the names of greys end in _GT.png"
)


# Of scikit-image, in whose package they are.
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


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
        Such as ``"vase"``. In a local folder any name does; `PHOTOGRAPHS` are scikit-image's
        wherever there is no file of that name.
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
    if name in PHOTOGRAPHS and not (folder and _found(name, folder / "images")):
        return MaskedImage(name, as_float(getattr(skimage.data, name)()), None)
    if folder is not None:
        image_path, mask_path = _local(name, folder / "images")
    elif url is not None:
        image_path, mask_path = _download(name, url)
    else:
        raise FileNotFoundError(
            f"image {name!r}: there is no data folder; set {ROOT_VARIABLE} (or root) to a folder "
            f"with images/{name}.png, or url to where it can be downloaded from{_source(name)}"
        )
    image = as_float(read_image(image_path))
    mask = None if mask_path is None else read_mask(mask_path)
    if mask is not None and mask.shape != image.shape[:2]:
        raise ValueError(f"{mask_path} is {mask.shape} and its image {image.shape[:2]}")
    return MaskedImage(name, image, mask)


def _local(name: str, folder: Path) -> tuple[Path, Path | None]:
    found = _found(name, folder)
    if not found:
        places = " or ".join(str(path) for path in _candidates(name, folder))
        raise FileNotFoundError(
            f"image {name!r}: not at {places}; set {ROOT_VARIABLE} (or root) to the folder above "
            f"images/, or unset it and give a url{_source(name)}"
        )
    mask = folder / f"{name}_mask.png"
    return found[0], mask if mask.is_file() else None


def _found(name: str, folder: Path) -> list[Path]:
    return [path for path in _candidates(name, folder) if path.is_file()]


def _candidates(name: str, folder: Path) -> list[Path]:
    return [folder / f"{name}{suffix}" for suffix in (".png", ".jpg")]


def _known(name: str) -> list[str]:
    """The files of an image of the paper: the picture, then its mask where it has one."""
    files = [path.name for path in _candidates(name, Path())]
    return [file for file in (*files, f"{name}_mask.png") if file in CHECKSUMS]


def _source(name: str) -> str:
    files = " and ".join(_known(name))
    return f"; {files} can be had from {_AUTHORS}" if files else ""


def _download(name: str, url: str) -> tuple[Path, Path | None]:
    files = _known(name)
    if not files:
        names = sorted({Path(file).stem for file in CHECKSUMS if "_mask" not in file})
        raise FileNotFoundError(f"image {name!r} has no checksum; pass one of {', '.join(names)}")
    store = pooch.create(
        path=Path(platformdirs.user_cache_dir("ntkmc")) / "images",
        base_url=url.rstrip("/") + "/",
        registry=CHECKSUMS,
    )
    fetched = [Path(store.fetch(file)) for file in files]
    return fetched[0], fetched[1] if len(fetched) > 1 else None
