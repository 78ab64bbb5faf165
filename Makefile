# `make demo` and `make test` need Python 3.11, git and make; the rest is installed into .venv.

# The first of these that is 3.11 or newer; another one: make PYTHON=/where/it/is
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif
DOCKER ?= docker
VERSION := $(shell cat version)
# Of the image: cpu, cuda, or a folder of PyTorch's index such as cu126.
TORCH_BUILD ?= cpu
IMAGE := bids-eeg2fmri:$(VERSION)$(addprefix -,$(filter-out cpu,$(TORCH_BUILD)))
BIN := .venv/bin
# Small enough for minutes; up to 20 Hz is where the simulated coupling lies.
DEMO := --epochs 3 --set spectrogram.fmax=20
# Files of tests run side by side, each on one thread; the slow ones come first.
SERIAL := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help demo test fuzz faults launches lint docs pictures commands tutorial site notebook platforms \
	benchmarks wheel lock image imagecheck clean

help:  ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

demo: .venv/installed demo/simulated  ## simulate a dataset and run the app on it, into demo/out
	$(BIN)/python run.py demo/bids demo/out participant $(DEMO)
	$(BIN)/python run.py demo/bids demo/out group $(DEMO)

test: lint  ## lint, check types and imports, run the tests
	$(SERIAL) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

fuzz: .venv/tested  ## make up broken sidecars, tables and marker files, 10,000 in all
	FUZZ_EXAMPLES=10000 $(SERIAL) $(BIN)/pytest tests/fuzz

faults: .venv/tested  ## kill runs at 50 moments and damage 50 stored files
	FAULTS=50 $(SERIAL) $(BIN)/pytest tests/faults tests/test_search.py tests/test_delivery.py

launches: .venv/tested build/platforms/installed  ## launch the app as platforms do
	PLATFORMS=build/platforms/bin $(SERIAL) $(BIN)/pytest tests/test_launches.py tests/test_babs.py

lint: .venv/tested  ## lint, check types, the import contract and the Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

docs: .venv/installed  ## write the pages made of config.py, the arguments and errors.py
	$(BIN)/python docs/make_settings.py
	$(BIN)/python docs/make_cli.py

pictures: demo  ## draw the pictures of the documentation; needs chromium
	rm -rf demo/uncoupled
	$(BIN)/python -m bids_eeg2fmri.simulate demo/uncoupled --participants 1 --volumes 600 --channels 16 \
		--grid 12 14 11 --coupling 0
	$(BIN)/python run.py demo/uncoupled demo/uncoupled-out participant $(DEMO)
	$(BIN)/python docs/make_pictures.py demo
	$(BIN)/python docs/make_figures.py

commands: .venv/tested  ## run the commands of the documentation on a small dataset
	$(BIN)/python docs/tools/try_commands.py

tutorial: .venv/tested  ## run the tutorial as it stands
	$(BIN)/python docs/tools/try_commands.py --whole docs/tutorial.md

site: .venv/documented  ## build the documentation into site/, without a warning
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebook: .venv/noted  ## run the example notebook, into build/notebook
	rm -rf build/notebook
	mkdir -p build/notebook
	cp docs/notebooks/first_look.ipynb build/notebook
	$(BIN)/jupyter-nbconvert --log-level WARN --to html --execute build/notebook/first_look.ipynb

platforms: .venv/installed  ## write the Boutiques descriptor from arguments.py
	$(BIN)/python platforms/boutiques/make_descriptor.py

benchmarks: .venv/installed  ## measure time and memory beside what one would take instead
	$(BIN)/python benchmarks/performance.py

wheel: .venv/tested  ## build wheel and source distribution, into dist, and try them outside
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	DIST=dist $(SERIAL) $(BIN)/pytest tests/release

image:  ## build the container image; make image TORCH_BUILD=cuda for GPUs
	$(DOCKER) build --build-arg TORCH_BUILD=$(TORCH_BUILD) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$(shell git rev-parse HEAD) --build-arg TAG=$(IMAGE) --tag $(IMAGE) .

imagecheck:  ## run the image as an outsider would, and compare what it writes
	tests/container/check_image.sh $(DOCKER) $(IMAGE)

clean:  ## remove everything that was made here
	rm -rf .venv demo build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

demo/simulated: | .venv/installed
	rm -rf demo/bids
	$(BIN)/python -m bids_eeg2fmri.simulate demo/bids --volumes 600 --channels 16 \
		--grid 12 14 11 --coupling 0.9
	touch $@

.venv/installed: requirements.lock pyproject.toml version
	$(if $(PYTHON),,$(error Python 3.11 or newer is needed; name it with make PYTHON=/where/it/is))
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

.venv/tested: requirements-test.lock .venv/installed
	$(BIN)/pip install --quiet --requirement requirements-test.lock
	touch $@

.venv/noted: requirements-notebook.lock .venv/installed
	$(BIN)/pip install --quiet --requirement requirements-notebook.lock
	touch $@

.venv/documented: requirements-docs.lock .venv/tested
	$(BIN)/pip install --quiet --requirement requirements-docs.lock
	touch $@

# Programs of the platforms, apart from ours: they bring versions of their own.
build/platforms/installed: platforms/requirements.lock
	rm -rf build/platforms
	$(PYTHON) -m venv build/platforms
	build/platforms/bin/pip install --quiet --requirement platforms/requirements.lock
	touch $@

# All lock files come from one fresh environment. A local build such as torch's +cpu is locked as the
# plain version, and what only a CUDA build of torch needs is left to torch.
TORCH := torch==2.13.0
FREEZE = build/lock/bin/pip freeze --all --exclude bids_eeg2fmri --exclude pip --exclude wheel \
	| sed 's/+.*//' | grep -Ev '^(nvidia-|cuda-|triton)'

lock:  ## resolve the dependencies anew and write the lock files
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet $(TORCH) .
	echo '# Run time, for Python 3.11. Written by `make lock`.' > requirements.lock
	$(FREEZE) >> requirements.lock
	build/lock/bin/pip install --quiet '.[test]'
	echo '# Tests, on top of run time. Written by `make lock`.' > requirements-test.lock
	echo '--requirement requirements.lock' >> requirements-test.lock
	$(FREEZE) | grep -vxFf requirements.lock >> requirements-test.lock
	build/lock/bin/pip install --quiet '.[notebook]'
	echo '# The example notebook, on top of the tests. Written by `make lock`.' > requirements-notebook.lock
	echo '--requirement requirements-test.lock' >> requirements-notebook.lock
	$(FREEZE) | grep -vxFf requirements.lock | grep -vxFf requirements-test.lock \
		>> requirements-notebook.lock
	$(PYTHON) -m venv build/lock-docs
	build/lock-docs/bin/pip install --quiet --constraint requirements-notebook.lock \
		--requirement requirements-test.lock '.[docs]'
	echo '# Documentation, on top of the tests. Written by `make lock`.' > requirements-docs.lock
	echo '--requirement requirements-test.lock' >> requirements-docs.lock
	$(subst build/lock/,build/lock-docs/,$(FREEZE)) | grep -vxFf requirements.lock \
		| grep -vxFf requirements-test.lock >> requirements-docs.lock
	build/lock-docs/bin/pip check
	build/lock/bin/pip check
