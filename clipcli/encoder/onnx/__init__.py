"""The image tower on ONNX Runtime: how graphs are written and run."""
