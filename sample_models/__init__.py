"""Small ONNX networks with known redundancy; `python -m sample_models.make` builds them."""
