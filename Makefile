# `make serve` and `make test` do all set-up themselves; they need Python 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
CLIENTS := .venv-clients
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest
# A bare Debian has no ensurepip: the machine's own pip fills the environment.
PIP := $(PYTHON) -m pip --disable-pip-version-check --python $(PY) install --quiet --require-hashes --requirement

PEERS := $(patsubst benchmarks/peers/requirements/%.txt,.peers/%.done,$(wildcard benchmarks/peers/requirements/*.txt))
# Triton's program for Python 3.11 has an early 3.11 in it, which the modules of 3.11.6 and later do not fit.
PYTHON_pytriton ?= $(wildcard /usr/bin/python3.11)

.DEFAULT_GOAL := help
.PHONY: help serve serve-gpu demo doctor docs pictures clients test test-long lint types bench bench-peers bench-ray ray-check overload hostile swaps soak fuzz chaos verify-trt bench-gpu release-check image-check lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/serve.done ## Serve the bundled model (or the one that DETECTOR_MODEL names) at http://127.0.0.1:8000
	@exec $(PY) -m app serve

serve-gpu: $(VENV)/gpu.done ## The same with the CUDA and TensorRT libraries, on a machine with an NVIDIA driver
	@test -e /proc/driver/nvidia/version || command -v nvidia-smi >/dev/null || \
		echo "serve-gpu: there is no NVIDIA driver here, so the CPU serves; 'make doctor' says more" >&2
	@libraries=$$(sh deploy/libraries.sh $(VENV) .tensorrt) && \
	LD_LIBRARY_PATH="$$libraries$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" exec $(PY) -m app serve

demo: $(VENV)/serve.done ## Serve with some traffic over the photos, and with Prometheus if it is installed (ARGS=--worse: beside a copy that disagrees)
	@exec $(PY) deploy/demo.py $(ARGS)

doctor: $(VENV)/serve.done ## Tell which copies can be made and served on this machine, and why not
	@libraries=$$(sh deploy/libraries.sh $(VENV) .tensorrt 2>/dev/null); \
	LD_LIBRARY_PATH="$$libraries$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" exec $(PY) -m app doctor

clients: $(CLIENTS)/done ## Install clients of other servers into .venv-clients; tests with DETECTOR_TEST_SYSTEM=1 drive them

test: $(VENV)/test.done ## Run all tests but the heavy ones of test-long
	$(PYTEST)

test-long: $(VENV)/test.done ## Run the heavy ones: swaps and crashes under load, every kind of model, the steps of the Docker image
	DETECTOR_TEST_HEAVY=1 DETECTOR_TEST_LONG=1 $(PYTEST) -m "heavy or long"

lint: $(VENV)/test.done ## Check format and style
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: $(VENV)/test.done ## Check types
	$(PY) -m mypy

verify-trt: $(VENV)/gpu.done $(VENV)/test.done ## Prove on a machine with a GPU that TensorRT runs: FP32, FP16, INT8 (an hour)
	@libraries=$$(sh deploy/libraries.sh $(VENV) .tensorrt) && \
	LD_LIBRARY_PATH="$$libraries$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" exec $(PY) -m benchmarks.verify_trt

bench-gpu: $(VENV)/gpu.done $(VENV)/test.done ## Native and all copies on a GPU, over HTTP and called directly (ARGS="retina/trt"; ARGS=--list)
	@libraries=$$(sh deploy/libraries.sh $(VENV) .tensorrt) && export CUDA_CACHE_PATH="$${CUDA_CACHE_PATH:-$(CURDIR)/bench-gpu/cuda}" && \
	LD_LIBRARY_PATH="$$libraries$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" exec $(PY) -m benchmarks.gpu $(or $(ARGS),$(GPU_PARTS))
GPU_PARTS := $(foreach model,retina bundled,$(foreach backend,native mixed frozen trt onnx,$(model)/$(backend))) retina/onnx/orders retina/agreement retina/beside

docs: $(VENV)/test.done ## Write the tables of the documents anew from the code that they describe
	$(PY) -m docs.reference

pictures: $(VENV)/test.done ## Take the documents' pictures from running servers, and draw the results of benchmarks (ARGS=light: one)
	$(PY) -m docs.pictures $(ARGS)
	$(PY) -m benchmarks.plots

swaps: $(VENV)/test.done ## Swap a copy 100 times under load: no request may fail, memory must come back
	$(PY) -m benchmarks.swaps

soak: $(VENV)/test.done ## Ten minutes of mixed load with faults: nothing may fail, be wrong or grow (ARGS=--leak: its control)
	$(PY) -m benchmarks.soak $(ARGS)

fuzz: $(VENV)/test.done ## Send 26,000 requests that nobody should send: none may make a 5xx (ARGS="--seed 1": others)
	$(PY) -m benchmarks.fuzz $(ARGS)

chaos: $(VENV)/test.done ## Ten minutes of faults under load: no answer of auto may be lost or wrong, nothing left over
	$(PY) -m benchmarks.chaos

bench: $(VENV)/test.done ## Compare the server with the raw call of the model, in one run of two minutes (ARGS="--backend onnx")
	$(PY) -m benchmarks.throughput $(ARGS)

bench-peers: $(VENV)/test.done $(PEERS) ## The same beside seven other servers, each in an environment of its own (ARGS=--table: only the table)
	$(PY) -m benchmarks.peers $(ARGS)

ray-check: $(VENV)/test.done .ray/done ## Have Ray Serve run two replicas, kill one under load, and find the metrics of both (three minutes)
	DETECTOR_TEST_LONG=1 $(PYTEST) -n 0 tests/deploy/test_ray_serve.py

bench-ray: $(VENV)/test.done .ray/done ## One server, two behind nginx, and two replicas of Ray Serve, in one run
	$(PY) -m benchmarks.several_servers $(ARGS)

overload: $(VENV)/test.done ## Offer three times what the server can answer, and 256 clients that ask again at once
	$(PY) -m benchmarks.overload

hostile: $(VENV)/test.done ## Send bodies made to hurt, and measure what they do to others
	$(PY) -m benchmarks.hostile

release-check: ## Build a release into dist/, install it where nothing else is, and have it answer a photo
	@PYTHON=$(PYTHON) $(PYTHON) deploy/release_check.py dist

image-check: ## Build both images of the Dockerfile without an engine, as root, and run them (ARGS="--engine docker cpu")
	@PYTHON=$(PYTHON) $(PYTHON) -m deploy.images $(ARGS)

lock: $(CLIENTS)/done ## Pin the dependencies anew, for every platform at once (ARGS=--upgrade: the newest ones)
	$(UV) $(EVERYWHERE) $(ARGS) pyproject.toml --extra onnx --extra evaluate -o requirements.lock
	$(UV) $(EVERYWHERE) $(ARGS) pyproject.toml --extra onnx --extra evaluate --extra grpc --group test --group lint -c requirements.lock -o requirements-dev.lock
	@# What holds on all of them is left out, so that the lines that hold on one stand out.
	sed -E -i $(PLAIN) requirements.lock requirements-dev.lock
	$(UV) $(LINUX) $(ARGS) --group clients -o requirements-clients.lock
	$(UV) $(LINUX) $(ARGS) pyproject.toml --extra gpu --extra onnx --extra evaluate -c requirements.lock -o requirements-gpu.lock
	$(UV) $(LINUX) $(ARGS) pyproject.toml --extra onnx --extra ray -c requirements.lock -o deploy/ray/requirements.lock
UV := MACOSX_DEPLOYMENT_TARGET=14.0 $(CLIENTS)/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-emit-index-url --no-header
EVERYWHERE := --universal
LINUX := --python-platform x86_64-manylinux_2_28
PLAIN := -e "s/ ; [^\\]*'arm64'[^\\]*'aarch64'[^\\]*'x86_64'[^\\]* \\\\$$/ \\\\/" \
	-e "s/ ; python_full_version < '3.12' and / ; /" -e "s/ and platform_python_implementation == 'CPython' and / and /"

clean: ## Remove the environment and what tools left behind
	rm -rf $(VENV) $(CLIENTS) .tensorrt .peers .ray .images dist fuzz-faults .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/serve.done: requirements.lock | $(PY)
	@echo "installing requirements.lock into $(VENV), once …"
	@$(PIP) $<
	@touch $@

$(VENV)/test.done: requirements-dev.lock | $(PY)
	@echo "installing requirements-dev.lock into $(VENV), once …"
	@$(PIP) $<
	@touch $@

$(CLIENTS)/done: requirements-clients.lock | $(PY)
	@echo "installing requirements-clients.lock into $(CLIENTS), once …"
	@$(PYTHON) -m venv --clear --without-pip $(CLIENTS)
	@$(PYTHON) -m pip --disable-pip-version-check --python $(CLIENTS)/bin/python install --quiet --no-compile --require-hashes --requirement $<
	@touch $@

$(VENV)/gpu.done: requirements-gpu.lock deploy/tensorrt.lock | $(PY)
	@echo "installing requirements-gpu.lock into $(VENV) and TensorRT into .tensorrt, once …"
	@$(PIP) $<
	@PYTHON=$(PYTHON) sh deploy/tensorrt.sh .tensorrt >/dev/null
	@touch $@

.ray/done: deploy/ray/requirements.lock
	@echo "installing $< into .ray, once …"
	@rm -rf .ray && $(PYTHON) -m venv --without-pip .ray
	@$(PYTHON) -m pip --disable-pip-version-check --python .ray/bin/python install --quiet --require-hashes --requirement $<
	@touch $@

# A server that can't be installed here is left out, and the table says why.
.peers/%.done: benchmarks/peers/requirements/%.txt
	@echo "installing $< into .peers/$*, once …"
	@rm -rf .peers/$* .peers/$*.failed && mkdir -p .peers
	@if $(or $(PYTHON_$*),$(PYTHON)) -m venv --without-pip .peers/$* && $(PYTHON) -m pip --disable-pip-version-check \
		--python .peers/$*/bin/python install --quiet --requirement $< 2>.peers/$*.log; then touch $@; \
	else tail -1 .peers/$*.log >.peers/$*.failed; rm -rf .peers/$*; fi
