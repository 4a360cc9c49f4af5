"""Results as DICOM objects in the study of their film, written with pydicom alone.

`build.py` is the entrance. `bonefx_edge` imports it only where results are asked for; the module
`own_objects` needs no pydicom until it meets an object of bonefx.
"""
