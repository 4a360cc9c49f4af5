"""The model file, and the interpreter that runs it."""
