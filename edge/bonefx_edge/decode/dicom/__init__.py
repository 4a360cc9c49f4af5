"""DICOM files: header, pixel data, gray levels (PS3.3, PS3.5)."""
