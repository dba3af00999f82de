"""Where a library belongs, and what the API process imports."""

# Where a library may be imported, in whatever place of the module; a library not named here: anywhere.
MAY_BE_IMPORTED_IN = {
    "tensorflow": {
        "app.backends.savedmodel",
        "converter.cutting.",
        "converter.machine.environment",
        "converter.model.savedmodel",
        "converter.model.onnx_copy",
        "converter.comparison.probe",
        "converter.model.signature",
        "converter.tftrt.engine_facts",
        "converter.targets.frozen",
        "converter.targets.onnx",
        "converter.targets.trt",
    },
    "onnxruntime": {"converter.model.providers", "converter.targets.onnx"},
    "simplejpeg": {"converter.model.jpeg"},
    "jinja2": {"app.web.report_page"},
    "fastapi": {"app.api.", "app.main", "app.server"},
    "starlette": {"app.api."},
    "uvicorn": {"app.server"},
    "PIL": {
        "app.api.examples",
        "app.detection.draw",
        "app.images",
        "app.lanes.repair",
        "app.web.samples",
        "converter.model.sampling",
    },
    "tqdm": {"converter.bar"},
    "prometheus_client": {"app.metrics"},
}
# The API process imports these, and all that they import when they are imported.
API_PROCESS = ("app.__main__", "app.main", "app.server")
