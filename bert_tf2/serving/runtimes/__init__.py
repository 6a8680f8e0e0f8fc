"""tasks -> models of other runtimes, ids in: ONNX Runtime, LiteRT; tokenizers beside them."""
