# The detection server, in two images:
#   docker build --target cpu .     TensorFlow for any x86-64 machine, no CUDA
#   docker build --target gpu .     with CUDA 11.8, cuDNN 8.7 and TensorRT 8.5.3, for NVIDIA GPUs
# `make image-check` builds both and runs them; docs/running.md says how. BuildKit and Buildah leave out the stages that a
# target does not need. Both images run as user 10001 with all but /cache read-only:
#   docker run --read-only --tmpfs /tmp -v detector-cache:/cache -p 127.0.0.1:8000:8000 IMAGE
# Another command than `serve`: docker run IMAGE doctor

FROM python:3.11-slim-bookworm AS base
WORKDIR /build

# What pip installs changes seldom: two stages that know nothing of our code.
FROM base AS libraries-cpu
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir \
        --require-hashes --only-binary=:all: -r requirements.lock

FROM base AS libraries-gpu
COPY requirements-gpu.lock ./
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir \
        --require-hashes --only-binary=:all: -r requirements-gpu.lock
COPY deploy/tensorrt.sh deploy/tensorrt.lock deploy/
RUN sh deploy/tensorrt.sh /opt/tensorrt

# Our code, as in a checkout. Whatever the umask there was, any user may read it and none write it.
FROM base AS project
WORKDIR /srv
COPY app/ app/
COPY converter/ converter/
COPY models/ models/
COPY deploy/bring_model.py deploy/check_tensorrt.py deploy/probe.py deploy/
COPY LICENSE ./
RUN python -m compileall -q --invalidation-mode unchecked-hash app converter \
    && chmod -R a+rX,go-w .

# All that the two images share but their libraries.
FROM base AS server
RUN groupadd --gid 10001 detector \
    && useradd --uid 10001 --gid detector --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin detector \
    && install --directory --owner detector --group detector /cache
WORKDIR /srv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DETECTOR_BIND=0.0.0.0:8000 \
    DETECTOR_CACHE=/cache
USER 10001:10001
VOLUME ["/cache"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "deploy/probe.py", "/healthz"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]

FROM server AS cpu
# The libraries come before our code, so that a change of it leaves their layer as it is.
COPY --from=libraries-cpu /opt/venv /opt/venv
COPY --from=project /srv /srv

FROM server AS gpu
COPY --from=libraries-gpu /opt/tensorrt /opt/tensorrt
COPY --from=libraries-gpu /opt/venv /opt/venv
ARG NVIDIA=/opt/venv/lib/python3.11/site-packages/nvidia
# TensorFlow 2.14 has no code for Hopper and later: the driver compiles it once (about a minute)
# and keeps it under /cache, if the cache may grow to 4 GiB.
ENV LD_LIBRARY_PATH=/opt/tensorrt:$NVIDIA/cublas/lib:$NVIDIA/cuda_cupti/lib:$NVIDIA/cuda_runtime/lib:$NVIDIA/cudnn/lib:$NVIDIA/cufft/lib:$NVIDIA/curand/lib:$NVIDIA/cusolver/lib:$NVIDIA/cusparse/lib:$NVIDIA/nccl/lib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_MODULE_LOADING=LAZY \
    CUDA_CACHE_PATH=/cache/cuda \
    CUDA_CACHE_MAXSIZE=4294967296 \
    TF_FORCE_GPU_ALLOW_GROWTH=true
COPY --from=project /srv /srv
# No image comes out if TensorFlow would silently run without TensorRT or without the GPU.
RUN python deploy/check_tensorrt.py
