"""DICOM files of a made-up patient, for the tests."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

PATIENT = ("Doe^Jane", "4711", "19500203", "St Elsewhere", "Dr^Who")
SERIES, STUDY = generate_uid(), generate_uid()
AXIAL = [1, 0, 0, 0, 1, 0]


def dataset(pixels, position=(-3.0, 4.0, 5.0), **tags):
    """A slice (rows, columns) of 16-bit integers; None for a tag leaves it out."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.PatientName, made.PatientID, made.PatientBirthDate = PATIENT[:3]
    made.InstitutionName, made.ReferringPhysicianName = PATIENT[3:]
    made.SeriesInstanceUID, made.StudyInstanceUID = SERIES, STUDY
    made.Rows, made.Columns = pixels.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.ImagePositionPatient = None if position is None else list(position)
    made.ImageOrientationPatient, made.PixelSpacing = AXIAL, [0.5, 0.75]
    made.RescaleSlope, made.RescaleIntercept = 1, 0
    made.PixelData = pixels.tobytes()
    for name, value in tags.items():
        if value is None:
            del made[name]
        else:
            setattr(made, name, value)
    return made


def save(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, made, enforce_file_format=True)


def series(folder, volume, leave_out=(), step=2.0, **tags):
    """A folder of the slices of a volume, whose names say nothing of their order."""
    names = np.random.default_rng(0).permutation(len(volume))
    for place, (name, pixels) in enumerate(zip(names, volume, strict=True)):
        if place not in leave_out:
            made = dataset(pixels, (-3.0, 4.0, 5.0 + step * place), **tags)
            save(folder / f"IM{name:04}", made)
    return folder
