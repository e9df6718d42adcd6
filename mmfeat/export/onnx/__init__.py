"""The winner as ONNX graphs: what a run computes, as modules of torch that are exported.

Every part of a model that predicts has a module here that computes the same. The whole is
exported at once, and compared with the probabilities of the run before it is written.
"""
