"""Worker: Keras on TensorFlow, `predict` for each film, as the presentation does."""

from protocol import Options, serve

options = Options.from_command()

import keras  # noqa: E402 -- after the protocol took standard output
import tensorflow as tf  # noqa: E402
from lines import LINES, as_input, facts  # noqa: E402

model = keras.models.load_model(options.network)


def ask(x: object) -> float:
    # verbose=0: without the progress bar, which takes its time too.
    return options.dequantize(model.predict(as_input(x, dtype="float32"), verbose=0))


serve(
    answer=lambda path: ask(LINES[options.lines](path, options.side)),
    ask=ask,
    facts=facts() | {"runtime": f"keras {keras.__version__}, tensorflow {tf.__version__}"},
)
