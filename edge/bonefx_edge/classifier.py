"""Classify one file: the data path, in order, in one function."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.options import DecodeOptions
from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.decode.reader import decode, decode_array, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Analysis, Explanation, Finding, ModelId, Predictor, Stopwatch
from bonefx_edge.inference.ages import AgeRange
from bonefx_edge.inference.decision import SiteProfileId, State
from bonefx_edge.inference.input_check import check_in_distribution, check_input
from bonefx_edge.inference.judge import Evidence, Rules
from bonefx_edge.inference.preprocess import preprocess
from bonefx_edge.inference.regions import Region, select_regions
from bonefx_edge.inference.tiling import NetworkOutputs, infer_tiles
from bonefx_edge.model.bundled import find_model
from bonefx_edge.model.interpreter import Interpreter, autotune_threads, open_interpreter
from bonefx_edge.model.model_file import ModelFile, check_tensors


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
        self.mode = model.manifest.mode(mode)
        self.operating_point = self.mode.operating_point(operating_point)
        self.model = ModelId(model.manifest.name, model.manifest.version, model.sha256)
        self.site_profile: SiteProfileId | None = None
        self.site_ages: AgeRange | None = None
        self.decode_options = DecodeOptions()
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
        site_profile: str | Path | None = None,
        accept: Iterable[str] = (),
    ) -> "Classifier":
        """Return a classifier for `model`.

        Parameters
        ----------
        model
            Name of a bundled model, such as "lite0-int8", or path of a model file.
        operating_point
            Name of one of the model's operating points; None takes its default.
        threads
            Of the interpreter, each >= 1, ascending; of several the one that pays, measured here.
        runtime
            ai_edge_litert or tflite_runtime; None takes the first that is installed.
        mode
            tiled or whole, as far as the model has it; None takes its default.
        site_profile
            File of `edge-admin commission`: its thresholds are used, no operating point is named.
        accept
            Names of site switches (`decode.options.SiteSwitch`): faults of a file to accept.

        Raises
        ------
        UsageError
            The model has no such mode or operating point, the site profile is not for it, or
            there is no such site switch.
        ModelFileError
            The model file is absent, altered, mismatched, or of another format version.
        InterpreterError
            No interpreter is installed, or it cannot run this model.
        """
        model_file = ModelFile.read(find_model(model))
        network = model_file.flatbuffer
        first = open_interpreter(network, threads=threads[0], runtime=runtime)
        classifier = cls(model_file, first, operating_point=operating_point, mode=mode)
        classifier.decode_options = DecodeOptions.of(accept)
        if site_profile is not None:
            from bonefx_edge.model.site_profile import site_thresholds  # here: few have one

            site = site_thresholds(
                site_profile, model_file.sha256, classifier.mode, named=operating_point
            )
            classifier.operating_point, classifier.site_profile = site.operating_point, site.id
            classifier.site_ages = site.ages
        # Timed only now: a network that does not fit its manifest fails in odd ways.
        classifier._interpreter = autotune_threads(first, network, threads=threads[1:])
        return classifier

    @property
    def predictor(self) -> Predictor:
        """What makes the findings of this classifier."""
        several = f", {self.threads} threads" if self.threads > 1 else ""
        runtime = f"{self.runtime.name} {self.runtime.version}{several}"
        return Predictor(self.model, self.mode, self.operating_point, runtime, self.site_profile)

    @property
    def rules(self) -> Rules:
        """How the outputs for a film become its decision."""
        return Rules(
            self.mode,
            self.operating_point,
            self.manifest.input_check.familiarity,
            self.manifest.answered_ages(self.site_ages),
        )

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
        return self.analyze_bytes(data, name=name).finding

    def classify_array(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        *,
        dark_bone: bool = False,
        name: str | Path = "",
    ) -> Finding:
        """Return the finding for a radiograph in memory; it has no sha256.

        Parameters
        ----------
        pixels
            (height, width), uint8 or uint16, upright. `decode_array` says how values are shown.
        dark_bone
            Whether larger values are darker (MONOCHROME1).
        name
            The finding's path.

        Raises
        ------
        TypeError, ValueError
            As `decode_array`.
        InterpreterError
            As `classify`.
        """

        def read() -> Radiograph:
            return decode_array(
                pixels, dark_bone=dark_bone, allow_downscale=self.manifest.input.allow_downscale
            )

        return self._analyze(read, name=name, sha256=None, data=b"", clock=Stopwatch()).finding

    def analyze(self, path: str | Path) -> Analysis:
        """Return the finding for one file, and what it was made from.

        Raises
        ------
        TypeError, InterpreterError
            As `classify`.
        """
        if not isinstance(path, str | Path):
            found = type(path).__name__  # type: ignore[unreachable]
            msg = f"expected the path of a file, got {found}; see classify_bytes, classify_array"
            raise TypeError(msg)
        clock = Stopwatch()
        try:
            data = read_file(Path(path))
        except DecodeError as err:
            return Analysis(self.predictor.finding(path, None, clock, error=err))
        clock.lap("read_ms")
        return self.analyze_bytes(data, name=path, clock=clock)

    def explain(self, path: str | Path) -> Explanation:
        """Return the finding for one file, as `classify` does, with its heat map and pixels.

        Raises
        ------
        UsageError
            The model has no map; see `Manifest.require_heatmap`.
        TypeError, InterpreterError
            As `classify`.
        """
        self.manifest.require_heatmap()
        analysis = self.analyze(path)
        drawn = analysis.heat_map(self.manifest.input)
        if drawn is None:
            return Explanation(analysis.finding, None, None)
        # The whole film again: what was judged may be a reduced one, too small to show to a person.
        film = decode(analysis.data, options=self.decode_options)
        return Explanation(analysis.finding, drawn, film)

    def analyze_bytes(
        self, data: bytes, *, name: str | Path = "", clock: Stopwatch | None = None
    ) -> Analysis:
        """Return the finding for the content of a file, and what it was made from."""
        clock = clock or Stopwatch()
        sha256 = hashlib.sha256(data).hexdigest()
        clock.lap("hash_ms")

        def read() -> Radiograph:
            allow = self.manifest.input.allow_downscale
            return decode(data, allow_downscale=allow, options=self.decode_options)

        return self._analyze(read, name=name, sha256=sha256, data=data, clock=clock)

    def _analyze(
        self,
        read_radiograph: Callable[[], Radiograph],
        *,
        name: str | Path,
        sha256: str | None,
        data: bytes,
        clock: Stopwatch,
    ) -> Analysis:
        """Return all that is found out about one radiograph: the data path, in order."""
        tiles = tile_outputs = None
        try:
            radiograph = read_radiograph()
            clock.lap("decode_ms")
            statistics = check_input(radiograph, spec=self.manifest.input_check)
            clock.lap("input_check_ms")
            x = preprocess(radiograph, spec=self.manifest.input)
            clock.lap("preprocess_ms")
            whole = self._infer(x)
            clock.lap("invoke_ms")
            check_in_distribution(whole.features, spec=self.manifest.input_check)
        except DecodeError as err:
            return Analysis(self.predictor.finding(name, sha256, clock, error=err), data)
        if self.mode.tiles:
            tiles, tile_outputs = infer_tiles(
                self.mode, radiograph, spec=self.manifest.input, infer=self._infer
            )
            clock.lap("tiles_ms")
        evidence = Evidence.of(
            self.mode, whole=whole, tiles=tile_outputs, age_years=radiograph.age_years
        )
        decision = self.rules.judge(evidence)
        regions: tuple[Region, ...] = ()
        if tiles and tile_outputs and decision.state is not State.NO_FRACTURE:
            regions = select_regions(tiles.rectangles, tile_outputs.logits.tolist())
        finding = self.predictor.finding(
            name, sha256, clock, decision=decision, regions=regions, radiograph=radiograph
        )
        return Analysis(finding, data, radiograph, whole, tiles, tile_outputs, evidence, statistics)

    def _infer(self, x: NDArray[Any]) -> NetworkOutputs:
        return self.manifest.output.split(self._interpreter.run(x))
