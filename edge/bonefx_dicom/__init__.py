"""DICOM beside the classifier: films come from a modality, results go into the study.

It imports nothing by itself: a device without the extra `bonefx[dicom-net]` pays nothing.
"""
