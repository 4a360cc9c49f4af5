"""Classify one file: the data path, in order, in one function."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError, UsageError
from bonefx_edge.finding import Finding, ModelId, Stopwatch
from bonefx_edge.inference.decision import Decision, State, decide
from bonefx_edge.inference.input_check import check, check_distance
from bonefx_edge.inference.preprocess import InputSpec, input_extent, preprocess
from bonefx_edge.inference.regions import Region, select_regions
from bonefx_edge.inference.tiling import Answers, Tiles, cut_tiles, read
from bonefx_edge.model.bundled import find_model
from bonefx_edge.model.interpreter import Interpreter, faster, open_interpreter
from bonefx_edge.model.model_file import ModelFile, check_tensors

if TYPE_CHECKING:
    from bonefx_edge.inference.heatmap import HeatMap


@dataclass(frozen=True, slots=True)
class Explained:
    """A finding with what a person may look at beside it."""

    finding: Finding
    heat_map: "HeatMap | None"
    """None for a refused file."""
    radiograph: Radiograph | None
    """The film in full size; None for a refused file."""


class Classifier:
    """A model, opened and checked, that classifies files one after the other.

    Not for use by two threads at once: give each thread, process or worker its own.
    """

    def __init__(
        self,
        model: ModelFile,
        interpreter: Interpreter,
        *,
        operating_point: str | None = None,
        views: str | None = None,
    ) -> None:
        check_tensors(model.manifest, input_=interpreter.input, outputs=interpreter.outputs)
        self.manifest = model.manifest
        self.reading = model.manifest.reading(views)
        self.operating_point = self.reading.operating_point(operating_point)
        self.model = ModelId(model.manifest.name, model.manifest.version, model.sha256)
        self.runtime = interpreter.runtime
        self._interpreter = interpreter

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        operating_point: str | None = None,
        threads: Sequence[int] = (1,),
        runtime: str | None = None,
        views: str | None = None,
    ) -> "Classifier":
        """Return a classifier for `model`.

        Parameters
        ----------
        model
            The name of a model that comes with the package, such as "lite0-int8", or the path of
            a model file.
        operating_point
            Name of one of the model's operating points; None takes its default.
        threads
            Of the interpreter, each >= 1, ascending; of several the one that pays, measured here.
        runtime
            ai_edge_litert or tflite_runtime; None takes the first that is installed.
        views
            Name of one of the model's readings, closer or whole; None takes its default.

        Raises
        ------
        UsageError
            The model has no such reading or operating point.
        ModelFileError
            There is no such model, or the file is no model file, altered, mismatched, or of
            another format version.
        InterpreterError
            No interpreter is installed, or it cannot run this model.
        """
        model_file = ModelFile.read(find_model(model))
        network = model_file.flatbuffer
        first = open_interpreter(network, threads=threads[0], runtime=runtime)
        classifier = cls(model_file, first, operating_point=operating_point, views=views)
        # Timed only now: a network that does not fit its manifest fails in odd ways.
        classifier._interpreter = faster(first, network, threads=threads[1:])
        return classifier

    @property
    def threads(self) -> int:
        """Of the interpreter."""
        return self._interpreter.threads

    def classify(self, path: str | Path) -> Finding:
        """Return the finding for one file; a file that cannot be judged is `refused`, not raised.

        Raises
        ------
        TypeError
            `path` is something else, such as pixels.
        InterpreterError
            The network gives a number that is not finite: no file can be trusted to this model.
        """
        return self._look(_path_of(path)).finding

    def classify_content(self, data: bytes, *, path: Path) -> Finding:
        """Return the finding for the content of a file that was read already; `path` names it.

        Raises
        ------
        InterpreterError
            As `classify`.
        """
        return self._look_at(data, path=path, clock=Stopwatch()).finding

    def refuse(self, path: Path, error: DecodeError) -> Finding:
        """Return the finding for a file that could not be read."""
        return self._finding(path, None, Stopwatch(), error=error)

    def explain(self, path: str | Path) -> Explained:
        """Return the finding for one file, as `classify` does, with its heat map and pixels.

        Raises
        ------
        UsageError
            The model has no map; see `check_explains`.
        InterpreterError
            As `classify`.
        """
        self.check_explains()
        look = self._look(_path_of(path))
        if look.seen is None:
            return Explained(look.finding, None, None)
        drawn = _heat_map(look.seen, spec=self.manifest.input)
        # The whole film again: what was judged may be a reduced one, too small to show to a person.
        return Explained(look.finding, drawn, decode(look.seen.data))

    def check_explains(self) -> None:
        """Return if the model can give heat maps.

        Raises
        ------
        UsageError
            If its network has no map output.
        """
        if self.manifest.output.map is None:
            msg = (
                f"heat map: expected a model with a map, {self.model.name} {self.model.version} "
                "has none; name another model, or ask for no heat map"
            )
            raise UsageError(msg)

    def _look(self, path: Path) -> "_Look":
        """Return all that is found out about one file."""
        clock = Stopwatch()
        try:
            data = read_file(path)
        except DecodeError as err:
            return _Look(self._finding(path, None, clock, error=err))
        clock.lap("read_ms")
        return self._look_at(data, path=path, clock=clock)

    def _look_at(self, data: bytes, *, path: Path, clock: Stopwatch) -> "_Look":
        """Return all that is found out about a content: the data path, in order."""
        sha256 = hashlib.sha256(data).hexdigest()
        clock.lap("hash_ms")
        try:
            radiograph = decode(data, allow_downscale=self.manifest.input.allow_downscale)
            clock.lap("decode_ms")
            check(radiograph, spec=self.manifest.gate)
            clock.lap("gate_ms")
            x = preprocess(radiograph, spec=self.manifest.input)
            clock.lap("preprocess_ms")
            whole = self._ask(x)
            clock.lap("invoke_ms")
            check_distance(whole.features, spec=self.manifest.gate)
        except DecodeError as err:
            return _Look(self._finding(path, sha256, clock, error=err))
        closer = None
        if self.reading.tiles:
            tiles = cut_tiles(radiograph, self.reading.tiles, self.manifest.input)
            closer = _Closer(tiles, self._ask(tiles.x))
            clock.lap("tiles_ms")
        logit = read(self.reading, whole=whole, tiles=closer.answers if closer else None)
        decision = decide(
            logit, temperature=self.reading.temperature, operating_point=self.operating_point
        )
        seen = _Seen(data, radiograph, whole, closer)
        return _Look(self._finding(path, sha256, clock, decision=decision, seen=seen), seen)

    def _ask(self, x: NDArray[Any]) -> Answers:
        return self.manifest.output.answers(self._interpreter.run(x))

    def _finding(
        self,
        path: Path,
        sha256: str | None,
        clock: Stopwatch,
        *,
        decision: Decision | None = None,
        seen: "_Seen | None" = None,
        error: DecodeError | None = None,
    ) -> Finding:
        several = f", {self.threads} threads" if self.threads > 1 else ""
        return Finding(
            path=str(path),
            sha256=sha256,
            state=decision.state if decision else State.REFUSED,
            reason=error.reason if error else None,
            detail=str(error) if error else None,
            p_fracture=decision.p_fracture if decision else None,
            class_index=decision.class_index if decision else None,
            reading=self.reading.name,
            regions=_regions(decision, seen.closer) if decision and seen else (),
            operating_point=self.operating_point.name,
            model=self.model,
            runtime=f"{self.runtime.name} {self.runtime.version}{several}",
            gray_mapping=seen.radiograph.gray_mapping if seen else None,
            timings=clock.timings(),
        )


def _path_of(path: str | Path) -> Path:
    if not isinstance(path, str | Path):
        msg = (  # type: ignore[unreachable]
            f"expected the path of a file, got {type(path).__name__}; "
            "classify_content takes the bytes of a file"
        )
        raise TypeError(msg)
    return Path(path)


@dataclass(frozen=True, slots=True)
class _Closer:
    """The tiles of a film, and what the network says of them."""

    tiles: Tiles
    answers: Answers


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a film that was not refused."""

    data: bytes
    """Content of the file."""
    radiograph: Radiograph
    whole: Answers
    closer: _Closer | None
    """None for a reading without tiles."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A finding, and what it was made from; None for a refused file."""

    finding: Finding
    seen: _Seen | None = None


def _regions(decision: Decision, closer: _Closer | None) -> tuple[Region, ...]:
    """Return where to look first; nowhere if the film as a whole is called no_fracture."""
    if closer is None or decision.state is State.NO_FRACTURE:
        return ()
    return select_regions(closer.tiles.rectangles, closer.answers.logits.tolist())


def _heat_map(seen: _Seen, *, spec: InputSpec) -> "HeatMap":
    """Return the maps of all views, laid over the film."""
    from bonefx_edge.inference.heatmap import heat_map  # here: most callers want none

    height, width = seen.radiograph.shape
    extents = [input_extent((height, width), spec=spec)]
    maps = [seen.whole.maps]
    if seen.closer:
        extents += seen.closer.tiles.extents
        maps += [seen.closer.answers.maps]
    cells = np.concatenate([each for each in maps if each is not None])
    return heat_map((height, width), extents, list(cells))
