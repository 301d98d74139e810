"""Volumes in the files that people keep them in: NIfTI, DICOM, NumPy, TIFF, folders of frames."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
