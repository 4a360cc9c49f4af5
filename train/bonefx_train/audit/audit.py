"""Whether a data set can be trusted: copies, leaks, contradictions, unreadable files, shortcuts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.inference.input_check import MAX_CHROMA
from bonefx_edge.text import printable

from bonefx_train.audit.baseline import Baseline, measure_baselines
from bonefx_train.audit.duplicates import Cluster, Clusters, find_clusters
from bonefx_train.audit.image_stats import Refusal, read_image_stats
from bonefx_train.data.class_folders import is_junk, walk_files
from bonefx_train.data.dataset import MANIFEST_NAME, find_samples
from bonefx_train.data.filename_groups import find_filename_groups
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError

BASELINE_SEED: Final = 1
"""Of the folds: the figure belongs to the data, so nobody chooses it."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Images that belong together and lie in two splits."""

    because: str
    """copies, file names, or same group."""
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found; every key is an image's path below `root`."""

    root: Path
    """Folder of the data, absolute."""
    samples: tuple[Sample, ...]
    """All images as they are labelled, read or not."""
    notes: tuple[str, ...]
    """How the images were found."""
    clusters: tuple[Cluster, ...]
    """Copies."""
    families: tuple[tuple[str, ...], ...]
    """Images whose names say that they are copies of one."""
    contradictions: tuple[Cluster, ...]
    """Clusters with both labels."""
    leaks: tuple[Leak, ...]
    refused: tuple[Refusal, ...]
    """Images that the device's decoder does not read."""
    junk: tuple[str, ...]
    """Left behind by file managers and archivers, and color pictures; paths below the root."""
    unused: tuple[str, ...]
    """Other files below the root that no label was found for."""
    groups: dict[str, str]
    """Key -> group, where copies and families are joined."""
    baselines: tuple[Baseline, ...]

    @property
    def is_clean(self) -> bool:
        """Whether both classes are there, no image contradicts another, none is in two splits."""
        return not (self.leaks or self.contradictions or self.missing)

    @property
    def missing(self) -> tuple[Label, ...]:
        """Labels that no readable image has."""
        refused = {refusal.key for refusal in self.refused}
        there = {sample.label for sample in self.samples if sample.key not in refused}
        return tuple(label for label in Label if label not in there)


def run_audit(data: Path) -> Audit:
    """Return what is found in `data`, given as for `load_dataset`.

    Raises
    ------
    DataError
        If the images cannot be found or labelled, or none can be read.
    """
    samples, notes, root = find_samples(data)
    images, refused = read_image_stats(samples)
    if not images:
        msg = f"{root}: expected readable images, got {len(refused)} refused; check the folder"
        raise DataError(msg)
    clusters = find_clusters(images)
    families = find_filename_groups(samples)
    groups = join_groups(samples, clusters, families)
    images_and_list = {*(sample.path for sample in samples), data.absolute(), root / MANIFEST_NAME}
    junk, unused = _other_files(root, besides=images_and_list)
    return Audit(
        root=root,
        samples=tuple(samples),
        notes=tuple(notes),
        clusters=tuple(clusters),
        families=tuple(tuple(sample.key for sample in family) for family in families),
        contradictions=tuple(_contradictions(samples, clusters)),
        leaks=tuple(_leaks(samples, clusters, families)),
        refused=tuple(refused),
        junk=tuple(sorted((*junk, *(image.key for image in images if image.chroma > MAX_CHROMA)))),
        unused=unused,
        groups=groups,
        baselines=tuple(
            measure_baselines(images, [groups[image.key] for image in images], seed=BASELINE_SEED)
        ),
    )


def join_groups(
    samples: Sequence[Sample],
    clusters: Sequence[Cluster],
    families: Sequence[Sequence[Sample]],
) -> dict[str, str]:
    """Return key -> group: the given groups, joined wherever copies or families connect two."""
    own = {sample.key: sample.group for sample in samples}
    known = Clusters()
    sets = [[own[key] for key in cluster.keys] for cluster in clusters]
    sets += [[sample.group for sample in family] for family in families]
    for first, *others in sets:
        for other in others:
            known.join(first, other)
    return {key: known.leader(group) for key, group in own.items()}


def _contradictions(samples: Sequence[Sample], clusters: Sequence[Cluster]) -> list[Cluster]:
    label = {sample.key: sample.label for sample in samples}
    return [cluster for cluster in clusters if len({label[key] for key in cluster.keys}) > 1]


def _leaks(
    samples: Sequence[Sample],
    clusters: Sequence[Cluster],
    families: Sequence[Sequence[Sample]],
) -> list[Leak]:
    """Return the sets of images in two splits; a set within another one is listed once."""
    split = {sample.key: sample.split for sample in samples}
    groups = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample.key)
    named = [
        *(Leak("copies", cluster.keys) for cluster in clusters),
        *(Leak("file names", tuple(sample.key for sample in family)) for family in families),
        *(Leak("same group", tuple(keys)) for keys in groups.values()),
    ]
    found: list[Leak] = []
    inside: dict[str, list[set[str]]] = defaultdict(list)
    for leak in named:
        keys = set(leak.keys)
        listed = any(keys <= other for other in inside[leak.keys[0]])
        if len({split[key] for key in keys} - {""}) > 1 and not listed:
            found.append(leak)
            for key in keys:
                inside[key].append(keys)
    return found


def _other_files(root: Path, *, besides: set[Path]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the junk of file managers and other files below the root, sorted."""
    junk: list[str] = []
    unused: list[str] = []
    for path in walk_files(root, on_loop=lambda _folder: None):
        if path in besides:
            continue
        within = path.relative_to(root)
        is_left_behind = any(is_junk(Path(part)) for part in within.parts)
        (junk if is_left_behind else unused).append(printable(within.as_posix()))
    return tuple(sorted(junk)), tuple(sorted(unused))
