"""Classify one file: the data path, in order, in one function."""

import dataclasses
import hashlib
import time
from pathlib import Path

from bonefx_edge.decision import Decision, State, decide
from bonefx_edge.decode import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Finding, ModelId, Timings
from bonefx_edge.gate import check
from bonefx_edge.interpreter import Interpreter, open_interpreter
from bonefx_edge.model_file import ModelFile, check_tensors
from bonefx_edge.preprocess import preprocess
from bonefx_edge.radiograph import GrayMapping


class Classifier:
    """A model, opened and checked, that classifies files one after the other.

    Not for use by two threads at once: give each thread, process or worker its own.
    """

    def __init__(
        self, model: ModelFile, interpreter: Interpreter, *, operating_point: str | None = None
    ) -> None:
        check_tensors(model.manifest, input_=interpreter.input, output=interpreter.output)
        self.manifest = model.manifest
        self.operating_point = model.manifest.operating_point(operating_point)
        self.model = ModelId(model.manifest.name, model.manifest.version, model.sha256)
        self.runtime = interpreter.runtime
        self._interpreter = interpreter

    @classmethod
    def load(
        cls,
        model: Path,
        *,
        operating_point: str | None = None,
        threads: int = 1,
        runtime: str | None = None,
    ) -> "Classifier":
        """Return a classifier for the model file at `model`.

        Parameters
        ----------
        model
            A model file of bonefx-convert; see `shipped.shipped_models` for those that come
            with the package.
        operating_point
            Name of one of the model's operating points; None takes its default.
        threads
            Of the interpreter, >= 1.
        runtime
            ai_edge_litert or tflite_runtime; None takes the first that is installed.

        Raises
        ------
        ModelFileError
            The file is no model file, altered, mismatched, of another format version, or has no
            such operating point.
        InterpreterError
            No interpreter is installed, or it cannot run this model.
        """
        model_file = ModelFile.read(model)
        interpreter = open_interpreter(model_file.flatbuffer, threads=threads, runtime=runtime)
        return cls(model_file, interpreter, operating_point=operating_point)

    def classify(self, path: Path) -> Finding:
        """Return the finding for one file; a file that cannot be judged is `refused`, not raised.

        Raises
        ------
        InterpreterError
            The network gives a number that is not finite: no file can be trusted to this model.
        """
        clock = _Stopwatch()
        sha256 = None
        try:
            data = read_file(path)
            clock.lap("read_ms")
            sha256 = hashlib.sha256(data).hexdigest()
            clock.lap("hash_ms")
            radiograph = decode(data)
            clock.lap("decode_ms")
            check(radiograph, spec=self.manifest.gate)
            clock.lap("gate_ms")
            x = preprocess(radiograph, spec=self.manifest.input)
            clock.lap("preprocess_ms")
            logit = float(self._interpreter.logits(x)[0, self.manifest.output.index])
            clock.lap("invoke_ms")
        except DecodeError as err:
            return self._finding(path, sha256, clock, error=err)
        decision = decide(
            logit, temperature=self.manifest.temperature, operating_point=self.operating_point
        )
        return self._finding(
            path, sha256, clock, decision=decision, gray_mapping=radiograph.gray_mapping
        )

    def _finding(
        self,
        path: Path,
        sha256: str | None,
        clock: "_Stopwatch",
        *,
        decision: Decision | None = None,
        gray_mapping: GrayMapping | None = None,
        error: DecodeError | None = None,
    ) -> Finding:
        return Finding(
            path=str(path),
            sha256=sha256,
            state=decision.state if decision else State.REFUSED,
            reason=error.reason if error else None,
            detail=str(error) if error else None,
            p_fracture=decision.p_fracture if decision else None,
            class_index=decision.class_index if decision else None,
            operating_point=self.operating_point.name,
            model=self.model,
            runtime=f"{self.runtime.name} {self.runtime.version}",
            gray_mapping=gray_mapping,
            timings=clock.timings(),
        )


class _Stopwatch:
    """Wall-clock milliseconds between laps; monotonic."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps = Timings()

    def lap(self, stage: str) -> None:
        """Note the time since the last lap as that of `stage`, a field of `Timings`."""
        now = time.perf_counter()
        self._laps = dataclasses.replace(self._laps, **{stage: (now - self._last) * 1e3})
        self._last = now

    def timings(self) -> Timings:
        """Return the laps, with the total until now."""
        total_ms = (time.perf_counter() - self._start) * 1e3
        return dataclasses.replace(self._laps, total_ms=total_ms)
