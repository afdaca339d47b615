# Each target sets itself up in .venv, demo and serve in .venv-demo; the second time that takes no time. test-newest and test-oldest
# have .venv-newest and .venv-oldest: the newest and the lowest versions inside pyproject's bounds.
# loadfile: the blocks of a document follow on each other, so one worker runs them all.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# A process that compiles what it imports needs 30 s for that, and the tests start many.
export PYTHONDONTWRITEBYTECODE :=

# Of the machine that `make gpu` packs for: its version of Python, and packages that it has.
GPU_PYTHON ?= 3.12
GPU_PRESENT ?=

.PHONY: test test-fast test-slow test-newest test-oldest lint docs demo serve screenshots align \
	experiment dense bench gpu clean

test:
	$(MAKE) --jobs=2 --output-sync=target lint test-fast

# Without GPUs: the tests' exact values are those of a CPU. `make gpu` has those of a device.
test-fast test-slow: export CUDA_VISIBLE_DEVICES :=

test-fast: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --durations=15

test-slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m slow

test-newest test-oldest: test-%: .venv-%/ready
	OMP_NUM_THREADS=1 .venv-$*/bin/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/measure_structure.py --check

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

# Without the developers' packages: torchao and bitsandbytes alone double the time of an import.
demo: .venv-demo/ready
	.venv-demo/bin/coterie demo

# The mixture that `make demo` trained, or another run: make serve RUN=runs/mine
RUN ?= runs/demo/moelora
serve: .venv-demo/ready
	.venv-demo/bin/coterie serve $(RUN)

# Of the page, into docs/images. Needs Chromium, and trains a small run the first time.
screenshots: $(READY)
	$(BIN)/coterie fetch
	$(BIN)/python -m tests.docs.screenshots

align: $(READY)
	$(BIN)/coterie fetch
	$(BIN)/python -m experiments.align
	$(BIN)/python -m experiments.align_sound

experiment: $(READY)
	$(BIN)/coterie fetch
	$(BIN)/python -m experiments.conflict

dense: $(READY)
	$(BIN)/coterie fetch weights
	$(BIN)/python -m experiments.dense
	$(BIN)/python -m experiments.cuts

bench: $(READY)
	$(BIN)/python -m benchmarks

# Packs build/gpu, and runs the check here as far as this machine goes. For another machine: copy
# this checkout there, with build/gpu, and run: bash benchmarks/gpu_check.sh build/gpu build/gpu/out
gpu: $(READY)
	$(BIN)/python tools/pack_gpu.py build/gpu --python $(GPU_PYTHON) --present $(GPU_PRESENT)
	COTERIE_HOME=build/gpu/home OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.gpu_check build/gpu/here

clean:
	rm -rf .venv .venv-demo .venv-newest .venv-oldest build dist docs/_build docs/reference .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

PROJECTS := pyproject.toml src/coterie_demo/pyproject.toml
define install
	@echo "installing into $(@D), which takes some minutes and 2 GB or more"
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --no-compile -c $< -e '.[$(1)]' -e 'src/coterie_demo$(2)'
	touch $@
endef

$(READY): constraints.txt $(PROJECTS)
	$(call install,dev,[scenes])

DEMO_EXTRAS := all,serve
.venv-demo/ready: constraints.txt $(PROJECTS)
	$(call install,$(DEMO_EXTRAS))

.venv-newest/ready .venv-oldest/ready: .venv-%/ready: constraints-%.txt $(PROJECTS)
	$(call install,dev,[scenes])
