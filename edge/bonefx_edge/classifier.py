"""Classify one file: the data path, in order, in one function."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.radiograph import GrayMapping, Radiograph
from bonefx_edge.decode.reader import decode, decode_array, read_file
from bonefx_edge.errors import DecodeError, Reason, UsageError
from bonefx_edge.finding import Finding, ModelId, Stopwatch
from bonefx_edge.inference.decision import State, decide
from bonefx_edge.inference.input_check import check_in_distribution, check_input
from bonefx_edge.inference.preprocess import InputSpec, input_extent, preprocess
from bonefx_edge.inference.regions import Region, select_regions
from bonefx_edge.inference.tiling import NetworkOutputs, Tiles, extract_tiles, image_logit
from bonefx_edge.model.bundled import find_model
from bonefx_edge.model.interpreter import Interpreter, autotune_threads, open_interpreter
from bonefx_edge.model.model_file import ModelFile, check_tensors

if TYPE_CHECKING:
    from bonefx_edge.inference.heatmap import HeatMap


@dataclass(frozen=True, slots=True)
class Analysis:
    """A finding, and what it was made from. All but the finding is None for a refused file."""

    finding: Finding
    radiograph: Radiograph | None = None
    """As the network saw it: a large film may be reduced, see `decode.downscale`."""
    whole: NetworkOutputs | None = None
    """What the network gave for the whole film."""
    tiles: Tiles | None = None
    """None without tiles, too."""
    tile_answers: NetworkOutputs | None = None
    """What the network gave for the tiles, in their order."""


@dataclass(frozen=True, slots=True)
class Explanation:
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
        mode: str | None = None,
    ) -> None:
        check_tensors(model.manifest, input_=interpreter.input, outputs=interpreter.outputs)
        self.manifest = model.manifest
        self.mode = model.manifest.reading(mode)
        self.operating_point = self.mode.operating_point(operating_point)
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
        mode: str | None = None,
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
        mode
            closer or whole, as far as the model has it; None takes its default.

        Raises
        ------
        UsageError
            The model has no such mode or operating point.
        ModelFileError
            There is no such model, or the file is no model file, altered, mismatched, or of
            another format version.
        InterpreterError
            No interpreter is installed, or it cannot run this model.
        """
        model_file = ModelFile.read(find_model(model))
        network = model_file.flatbuffer
        first = open_interpreter(network, threads=threads[0], runtime=runtime)
        classifier = cls(model_file, first, operating_point=operating_point, mode=mode)
        # Timed only now: a network that does not fit its manifest fails in odd ways.
        classifier._interpreter = autotune_threads(first, network, threads=threads[1:])
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
        return self.analyze(path).finding

    def classify_many(self, paths: Iterable[str | Path]) -> Iterator[Finding]:
        """Yield the finding for each file, in order, as they are asked for.

        Raises
        ------
        TypeError, InterpreterError
            As `classify`.
        """
        if isinstance(paths, str | Path):
            msg = "expected several paths, got one; use classify"
            raise TypeError(msg)
        return map(self.classify, paths)

    def classify_bytes(self, data: bytes, *, name: str | Path = "") -> Finding:
        """Return the finding for the content of a file; `name` is the finding's path.

        Raises
        ------
        TypeError
            `data` is something else.
        InterpreterError
            As `classify`.
        """
        if not isinstance(data, bytes):
            msg = f"expected the bytes of a file, got {type(data).__name__}; see classify_array"  # type: ignore[unreachable]
            raise TypeError(msg)
        return self._analyze_bytes(data, name=name, clock=Stopwatch()).finding

    def classify_array(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        *,
        dark_bone: bool = False,
        name: str | Path = "",
    ) -> Finding:
        """Return the finding for a radiograph in memory; it has no sha256.

        uint8 pixels are taken as shown on a screen: 0 is black, 255 is white. uint16 pixels are
        scaled over their 0.5 to 99.5 percentile range, as those of a 16-bit PNG or TIFF file.

        Parameters
        ----------
        pixels
            (height, width), uint8 or uint16: one radiograph, upright, not cut into tiles.
        dark_bone
            Whether larger values are darker (MONOCHROME1); then the gray levels are inverted.
        name
            The finding's path.

        Raises
        ------
        TypeError
            `pixels` is no array, or of another dtype.
        ValueError
            It has another number of dimensions, or no pixels.
        InterpreterError
            As `classify`.
        """

        def read() -> Radiograph:
            return decode_array(
                pixels, dark_bone=dark_bone, allow_downscale=self.manifest.input.allow_downscale
            )

        return self._analyze(read, name=name, sha256=None, clock=Stopwatch()).finding

    def analyze(self, path: str | Path) -> Analysis:
        """Return the finding for one file, and what it was made from.

        Raises
        ------
        TypeError, InterpreterError
            As `classify`.
        """
        return self._analyze_file(path)[0]

    def explain(self, path: str | Path) -> Explanation:
        """Return the finding for one file, as `classify` does, with its heat map and pixels.

        Raises
        ------
        UsageError
            The model has no map; see `require_heatmap`.
        TypeError, InterpreterError
            As `classify`.
        """
        self.require_heatmap()
        analysis, data = self._analyze_file(path)
        if analysis.radiograph is None:
            return Explanation(analysis.finding, None, None)
        drawn = _heat_map(analysis, spec=self.manifest.input)
        # The whole film again: what was judged may be a reduced one, too small to show to a person.
        return Explanation(analysis.finding, drawn, decode(data))

    def require_heatmap(self) -> None:
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

    def _analyze_file(self, path: str | Path) -> tuple[Analysis, bytes]:
        """Return the analysis of a file with its content; empty where it could not be read."""
        if not isinstance(path, str | Path):
            msg = (  # type: ignore[unreachable]
                f"expected the path of a file, got {type(path).__name__}; "
                "for content or pixels in memory use classify_bytes or classify_array"
            )
            raise TypeError(msg)
        clock = Stopwatch()
        try:
            data = read_file(Path(path))
        except DecodeError as err:
            return Analysis(self._refused(path, err, sha256=None, clock=clock)), b""
        clock.lap("read_ms")
        return self._analyze_bytes(data, name=path, clock=clock), data

    def _analyze_bytes(self, data: bytes, *, name: str | Path, clock: Stopwatch) -> Analysis:
        sha256 = hashlib.sha256(data).hexdigest()
        clock.lap("hash_ms")

        def read() -> Radiograph:
            return decode(data, allow_downscale=self.manifest.input.allow_downscale)

        return self._analyze(read, name=name, sha256=sha256, clock=clock)

    def _analyze(
        self,
        read_radiograph: Callable[[], Radiograph],
        *,
        name: str | Path,
        sha256: str | None,
        clock: Stopwatch,
    ) -> Analysis:
        """Return all that is found out about one radiograph: the data path, in order."""
        tiles = tile_answers = None
        try:
            radiograph = read_radiograph()
            clock.lap("decode_ms")
            check_input(radiograph, spec=self.manifest.input_check)
            clock.lap("input_check_ms")
            x = preprocess(radiograph, spec=self.manifest.input)
            clock.lap("preprocess_ms")
            whole = self._infer(x)
            clock.lap("invoke_ms")
            check_in_distribution(whole.features, spec=self.manifest.input_check)
        except DecodeError as err:
            return Analysis(self._refused(name, err, sha256=sha256, clock=clock))
        if self.mode.tiles:
            tiles = extract_tiles(radiograph, self.mode.tiles, self.manifest.input)
            tile_answers = self._infer(tiles.x)
            clock.lap("tiles_ms")
        logit = image_logit(self.mode, whole=whole, tiles=tile_answers)
        decision = decide(
            logit, temperature=self.mode.temperature, operating_point=self.operating_point
        )
        finding = self._finding(
            name,
            sha256,
            clock,
            state=decision.state,
            p_fracture=decision.p_fracture,
            original_class=decision.original_class if self.mode.is_network_output else None,
            regions=_regions(decision.state, tiles, tile_answers),
            gray_mapping=radiograph.gray_mapping,
        )
        return Analysis(finding, radiograph, whole, tiles, tile_answers)

    def _infer(self, x: NDArray[Any]) -> NetworkOutputs:
        return self.manifest.output.split(self._interpreter.run(x))

    def _refused(
        self, name: str | Path, error: DecodeError, *, sha256: str | None, clock: Stopwatch
    ) -> Finding:
        return self._finding(
            name, sha256, clock, state=State.REFUSED, reason=error.reason, detail=str(error)
        )

    def _finding(
        self,
        name: str | Path,
        sha256: str | None,
        clock: Stopwatch,
        *,
        state: State,
        reason: Reason | None = None,
        detail: str | None = None,
        p_fracture: float | None = None,
        original_class: int | None = None,
        regions: tuple[Region, ...] = (),
        gray_mapping: GrayMapping | None = None,
    ) -> Finding:
        several = f", {self.threads} threads" if self.threads > 1 else ""
        return Finding(
            path=str(name),
            sha256=sha256,
            state=state,
            reason=reason,
            detail=detail,
            p_fracture=p_fracture,
            original_class=original_class,
            mode=self.mode.name,
            regions=regions,
            operating_point=self.operating_point.name,
            no_fracture_below=self.operating_point.no_fracture_below,
            fracture_from=self.operating_point.fracture_from,
            model=self.model,
            runtime=f"{self.runtime.name} {self.runtime.version}{several}",
            gray_mapping=gray_mapping,
            timings=clock.timings(),
        )


def refused_finding(classifier: Classifier, name: str | Path, error: DecodeError) -> Finding:
    """Return the finding for a file that the caller could not read, or must not try to."""
    return classifier._refused(name, error, sha256=None, clock=Stopwatch())


def _regions(
    state: State, tiles: Tiles | None, outputs: NetworkOutputs | None
) -> tuple[Region, ...]:
    """Return where to look first; nowhere if the film as a whole is called no_fracture."""
    if tiles is None or outputs is None or state is State.NO_FRACTURE:
        return ()
    return select_regions(tiles.rectangles, outputs.logits.tolist())


def _heat_map(analysis: Analysis, *, spec: InputSpec) -> "HeatMap | None":
    """Return the maps of all inputs, laid over the film; None for a refused file."""
    from bonefx_edge.inference.heatmap import heat_map  # here: most callers want none

    if analysis.radiograph is None or analysis.whole is None:
        return None
    shape = analysis.radiograph.shape
    extents = [input_extent(shape, spec=spec)]
    maps = [analysis.whole.maps]
    if analysis.tiles and analysis.tile_answers:
        extents += analysis.tiles.extents
        maps += [analysis.tile_answers.maps]
    cells = np.concatenate([each for each in maps if each is not None])
    return heat_map(shape, extents, list(cells))
