"""The public sets that `bonefx-train import` knows: terms, citation, what their labels mean."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PublicSet:
    """What a person should know before training on a set."""

    title: str
    licence: str
    citation: str
    labels: str
    """What fractured and not fractured mean here."""
    groups: str


FRACATLAS: Final = "fracatlas"
GRAZPEDWRI: Final = "grazpedwri"
MURA: Final = "mura"
RSNA_BONEAGE: Final = "rsna-boneage"

PUBLIC_SETS: Final = {
    FRACATLAS: PublicSet(
        title="FracAtlas",
        licence="CC BY 4.0 (name the authors)",
        citation="Abedeen et al., FracAtlas: A Dataset for Fracture Classification, Localization "
        "and Segmentation of Musculoskeletal Radiographs, Scientific Data 10:521, 2023, "
        "doi 10.1038/s41597-023-02432-4",
        labels="two radiologists and an orthopedist read each image; boxes around fractures",
        groups="the set has no patients: runs of neighbouring numbers of the same body parts",
    ),
    GRAZPEDWRI: PublicSet(
        title="GRAZPEDWRI-DX",
        licence="CC BY 4.0 (name the authors)",
        citation="Nagy et al., A pediatric wrist trauma X-ray dataset (GRAZPEDWRI-DX) for machine "
        "learning, Scientific Data 9:222, 2022, doi 10.1038/s41597-022-01328-z; data: "
        "doi 10.6084/m9.figshare.14825193",
        labels="pediatric radiologists checked each image; boxes around fractures. Films with an "
        "uncertain or contradictory label are left out",
        groups="patients",
    ),
    MURA: PublicSet(
        title="MURA 1.1",
        licence="Stanford University School of Medicine MURA Dataset Research Use Agreement: "
        "research, not commercial, no redistribution of images",
        citation="Rajpurkar et al., MURA: Large Dataset for Abnormality Detection in "
        "Musculoskeletal Radiographs, 2017, arXiv 1712.06957",
        labels="radiologists read each study as normal or abnormal. Normal is taken as not "
        "fractured. Abnormal is not the same as fractured: it is also metal, arthritis, lesions",
        groups="patients",
    ),
    RSNA_BONEAGE: PublicSet(
        title="RSNA Pediatric Bone Age Challenge 2017",
        licence="academic research, education and other non-commercial use, with citation",
        citation="Halabi et al., The RSNA Pediatric Bone Age Machine Learning Challenge, "
        "Radiology 290:498, 2019, doi 10.1148/radiol.2018180736",
        labels="nobody read them for fractures; taken as not fractured",
        groups="the set has no patients: each film is its own group",
    ),
}
