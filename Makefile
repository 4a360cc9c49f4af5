# What is often done has a target. A fresh machine needs python3 (3.11 to 3.13) with venv, and make.
PYTHON ?= python3
DATA ?= $(or $(BONEFX_DATA),../shared/data)
# Goes into the names of the reference files: `make bench BOARD=raspberry-pi-5`.
BOARD ?= $(shell uname -m)
DEFAULT_MODEL = $(shell .venv-dev/bin/python -c 'from bonefx_edge.model.bundled import DEFAULT_MODEL; print(DEFAULT_MODEL)')
# Of a wheelhouse: aarch64 or x86_64, and the device's Python (3.11: Bookworm; 3.13: Trixie).
ARCH ?= aarch64
PYTHON_VERSION ?= 3.11
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Processes that run tests: more than cores, as many tests wait for a disk or a service.
JOBS ?= 3
PYTEST_JOBS = -n $(JOBS) --dist worksteal

.PHONY: help demo demo-page page-pictures demo-dicom test test-fast lint test-tflite train train-seed bench peers chaos chaos-dicom chaos-page clean \
	test-networks wheelhouse test-arm64 bench-arm64 test-install

help:
	@echo "make demo         device package into .venv, classify real radiographs, print a table"
	@echo "make demo-page    the page in a browser over the films of the demo, until Ctrl-C: PORT=$(PORT)"
	@echo "make demo-dicom   send films to bonefx by DICOM, their results to an archive (needs dcmtk, orthanc)"
	@echo "make page-pictures pictures of the page at three sizes, those of docs/page.md too (chromium)"
	@echo "make test         everything into .venv-dev, linters, types, whole suite"
	@echo "make test-fast    the suite without what is slow or needs TensorFlow: for every change"
	@echo "make lint         linters of code and documentation, types, layers"
	@echo "make test-tflite  device suite under tflite-runtime, NumPy 1, OpenCV 4.11 (Python 3.11)"
	@echo "make test-arm64   the device suite on an emulated arm64 Debian (root; a quarter of an hour)"
	@echo "make test-networks convert MobileNetV3, EfficientNetV2 and DenseNet (minutes)"
	@echo "make test-install the steps of docs/install.md in a fresh Debian 12 (root, debootstrap; minutes)"
	@echo "make bench-arm64  compare runtimes and processors (after make test-arm64; an hour)"
	@echo "make wheelhouse   wheels for an offline device: ARCH=$(ARCH) PYTHON_VERSION=$(PYTHON_VERSION)"
	@echo "make train        fit and convert the default model, lite0, from DATA=$(DATA)"
	@echo "make train-seed   reproduce the shipped reference model, seed, from DATA=$(DATA)"
	@echo "make chaos        kill the watching service at work: good disk, full disk, lost share, lost disks (half an hour)"
	@echo "make chaos-dicom  kill DICOM listener and sender at work (needs dcmtk, orthanc; minutes)"
	@echo "make chaos-page   fifty clients on the page, and the page killed, while films arrive (minutes)"
	@echo "make bench        every figure of the shipped models on DATA=$(DATA), then docs/model-card.md"
	@echo "make peers        compare with other runtimes (downloads 0.5 GB, then six minutes)"

# ---- environments: the stamp is newer than what it was made from ----

.venv/stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet -c constraints.txt -e ".[codecs]" pydicom-data
	@touch $@

# Apart from .venv, whose size is measured as that of the device.
.venv-demo/stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet -c constraints.txt -e ".[codecs,page,dicom-net]" pydicom-data
	@touch $@

.venv-dev/stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

# LiteRT is a base dependency; here it is taken out so that the alternative is really what runs.
.venv-tflite/stamp: pyproject.toml constraints-tflite.txt
	$(PYTHON) -m venv .venv-tflite
	.venv-tflite/bin/pip install --quiet -c constraints-tflite.txt -e ".[tflite-runtime,codecs]" \
		pydicom-data pillow hypothesis pytest pytest-timeout pytest-xdist
	.venv-tflite/bin/pip uninstall --quiet --yes ai-edge-litert
	@touch $@

# ---- what people run ----

# Exit code 3 says that files were refused: the demo has two.
demo: .venv/stamp
	@.venv/bin/python demo/make_films.py demo-out/films
	@cd demo-out && ../.venv/bin/edge-classify films --heatmap heatmaps || test $$? -eq 3
	@echo
	@echo "The folder of a film is its label in FracAtlas: fractured or not-fractured."
	@echo "Heat maps, a PNG file for each film: demo-out/heatmaps"

# Of the page of demo-page.
PORT ?= 8080
demo-page: .venv-demo/stamp
	@.venv-demo/bin/python demo/page.py demo-out/page --port $(PORT)

# Needs Debian's dcmtk and orthanc.
demo-dicom: .venv-demo/stamp
	@.venv-demo/bin/python demo/dicom.py demo-out/dicom

page-pictures: .venv-dev/stamp
	.venv-dev/bin/python tests/support/make_page_pictures.py demo-out/page-pictures docs/pictures

test: lint
	BONEFX_DATA="$(realpath $(DATA))" .venv-dev/bin/pytest $(PYTEST_JOBS)

test-fast: .venv-dev/stamp
	BONEFX_DATA="$(realpath $(DATA))" .venv-dev/bin/pytest $(PYTEST_JOBS) -m "not slow and not host"

# The model card is generated; its lines are as long as its figures.
MARKDOWN = README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md docs demo
lint: .venv-dev/stamp
	.venv-dev/bin/ruff check
	.venv-dev/bin/ruff format --check
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/pymarkdown scan --recurse --exclude docs/model-card.md $(MARKDOWN)

test-tflite: .venv-tflite/stamp
	BONEFX_DATA="$(realpath $(DATA))" .venv-tflite/bin/pytest $(PYTEST_JOBS) tests/edge tests/end_to_end \
		-m "not host and not any_runtime"

# ---- without internet, and the other processor: docs/arm64.md ----

wheelhouse: .venv/stamp
	PYTHON=.venv/bin/python PYTHON_VERSION=$(PYTHON_VERSION) arm64/make_wheelhouse.sh $(ARCH)

# Needs to be root and qemu-user; says what to install. Not part of `make test`: too slow.
test-arm64: .venv/stamp
	PYTHON=.venv/bin/python BONEFX_DATA="$(realpath $(DATA))" arm64/test.sh

# Needs to be root, debootstrap and the internet.
test-install: .venv/stamp
	PYTHON=.venv/bin/python tests/install/run.sh

bench-arm64: .venv-dev/stamp .venv-tflite/stamp
	BONEFX_DATA="$(realpath $(DATA))" arm64/bench.sh

# Then copy models/*.tflite to edge/bonefx_edge/models/ to ship them.
FRACATLAS = FracAtlas (Abedeen et al., Sci Data 2023, doi 10.1038/s41597-023-02432-4), CC BY 4.0
# tflite-runtime has wheels for Python 3.11 only: with others the models are verified with LiteRT only.
HAS_311 = $(shell $(PYTHON) -c 'import sys; print("y" if sys.version_info[:2] == (3, 11) else "")')
IMAGENET = starts from ImageNet weights of EfficientNet-Lite0 (Google), Apache-2.0
# The default model: two fits; the second starts from the first and ends as the mean of both
# (decision 0016); under three hours on two cores. --resume continues an interrupted fit.
train: .venv-dev/stamp $(if $(HAS_311),.venv-tflite/stamp)
	.venv-dev/bin/bonefx-train fit $(DATA)/fracatlas --network lite0 --out runs/lite0-first --resume
	test -f models/first/lite0-float16.tflite || .venv-dev/bin/bonefx-convert run runs/lite0-first \
		--out models/first --kinds float16 --training-data "$(FRACATLAS); $(IMAGENET)"
	.venv-dev/bin/bonefx-train fit $(DATA)/fracatlas --network lite0 --epochs 26 --seed 2 --out runs/lite0 \
		--start-from models/first/lite0-float16.tflite --resume
	.venv-dev/bin/bonefx-convert run runs/lite0 --out models/plain --version 0.6.0 \
		--training-data "$(FRACATLAS); $(IMAGENET)" $(if $(HAS_311),--verify-with .venv-tflite/bin/python)
	.venv-dev/bin/bonefx-convert familiarity models/plain/lite0-*.tflite --data $(DATA) --out models

train-seed: .venv-dev/stamp $(if $(HAS_311),.venv-tflite/stamp)
	.venv-dev/bin/bonefx-train fit $(DATA)/fracatlas --network seed --out runs/seed --resume
	.venv-dev/bin/bonefx-convert run runs/seed --out models --version 0.1.0 \
		--training-data "$(FRACATLAS)" $(if $(HAS_311),--verify-with .venv-tflite/bin/python)

# quantization_cost and localization read the test split. Nothing may be chosen by their figures.
LITE0 = lite0-float16 lite0-dynamic lite0-int8
SEED = seed-float32 seed-dynamic seed-int8
STUDY = .venv-dev/bin/python -m bonefx_train.studies
INT8 = --model lite0-int8 --model seed-int8
bench: .venv-dev/stamp .venv/stamp
	$(STUDY).quantization_cost $(LITE0) --data $(DATA)/fracatlas --baseline-auc 0.76
	$(STUDY).quantization_cost $(LITE0) --data $(DATA)/fracatlas --baseline-auc 0.76 \
		--mode whole --out benchmarks/reference/whole
	$(STUDY).quantization_cost $(SEED) --data $(DATA)/fracatlas --baseline-auc 0.76 \
		--out benchmarks/reference/seed
	$(STUDY).external lite0-int8 lite0-float16 seed-int8 --data $(DATA)
	$(STUDY).localization --data $(DATA)/fracatlas --split test
	$(STUDY).commissioning $(DEFAULT_MODEL) --data $(DATA)
	$(STUDY).sources $(DEFAULT_MODEL) --data $(DATA)
	$(STUDY).robustness $(DEFAULT_MODEL) --data $(DATA)/fracatlas --split tune
	$(STUDY).out_of_scope $(DATA)
	.venv-dev/bin/python -m benchmarks.latency $(DATA)/fullsize/IMG*.jpg $(INT8) --threads 1 --threads 2 \
		--out benchmarks/reference/latency-fullsize-$(BOARD).json
	.venv-dev/bin/python -m benchmarks.latency $(DATA)/fracatlas/*fractured/*11.jpg $(INT8) --threads 1 --threads 2 \
		--out benchmarks/reference/latency-small-$(BOARD).json
	.venv-dev/bin/python -m benchmarks.floors $(DATA) --environment .venv \
		--out benchmarks/reference/floors-$(BOARD).json
	.venv-dev/bin/python -m benchmarks.memory --out benchmarks/reference/memory-$(BOARD).json
	.venv-dev/bin/python -m benchmarks.watching $(DATA) --archive 100000 \
		--out benchmarks/reference/watching-$(BOARD).json
	$(STUDY).model_card

# Installs ONNX Runtime, OpenVINO and others, each in an environment of its own (.venvs-peers).
peers: .venv-dev/stamp
	.venv-dev/bin/python -m benchmarks.peers install
	.venv-dev/bin/python -m benchmarks.peers run $(DATA) --out benchmarks/reference/peers-$(BOARD)

# Three networks of keras.applications through the converter.
test-networks: .venv-dev/stamp
	BONEFX_NETWORKS=long .venv-dev/bin/pytest tests/convert/test_keras_applications.py

chaos: .venv-dev/stamp
	BONEFX_CHAOS=long .venv-dev/bin/pytest tests/end_to_end/test_watch_chaos*.py

# Needs Debian's dcmtk and orthanc. Figures are of the environment of a device.
chaos-dicom: .venv-dev/stamp .venv-demo/stamp
	BONEFX_CHAOS=long BONEFX_DEVICE_PYTHON="$(CURDIR)/.venv-demo/bin/python" .venv-dev/bin/pytest -n0 -s \
		tests/end_to_end/test_dicom_listener.py tests/end_to_end/test_dicom_sender.py \
		tests/end_to_end/test_dicom_measured.py

# Waiting times are compared: nothing else should run meanwhile.
chaos-page: .venv-dev/stamp
	BONEFX_DATA="$(realpath $(DATA))" BONEFX_CHAOS=long .venv-dev/bin/pytest -rP tests/page/test_page_crowd.py \
		tests/page/test_page_archive.py tests/page/test_page_pictures_cost.py

clean:
	rm -rf .venv .venv-dev .venv-demo .venv-tflite .venvs-peers demo-out build dist wheelhouse-*
