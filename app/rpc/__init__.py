"""The Open Inference Protocol over gRPC, over the same pipeline; loaded only where DETECTOR_GRPC_BIND is set.

May import: app.api.
"""
