.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast fuzz soak gpu nano lint docs

PYTHON := .venv/bin/python
PYTEST := OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadfile

# Measures of clips, hostile and full-size files, and nodes that sample whole clips: seconds each.
NOT_FAST := $(addprefix --ignore=tests/, \
	core/metrics core/test_decoder_memory.py core/test_fused.py core/test_static.py \
	core/shots/test_command.py core/shots/test_render.py core/weights/test_hostile_files.py \
	nodes/test_render_shot.py core/weights/test_layouts.py nodes/test_fake_devices.py \
	nodes/test_finite.py nodes/test_float64.py nodes/test_keys.py nodes/test_loaders.py \
	nodes/test_lora.py nodes/test_low_memory.py nodes/test_native.py nodes/test_official.py \
	nodes/test_patch_table.py nodes/test_preview.py nodes/test_pruned.py \
	nodes/test_run_check.py nodes/test_sample.py)

help:  ## this list
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup:  ## an environment in .venv/ and ComfyUI in .comfyui/ (several GB the first time)
	@bash scripts/setup.sh

demo: setup  ## run the nano workflow in ComfyUI; a movie and a sheet in output/
	@$(PYTHON) scripts/demo.py

# A test that waits too short on a busy machine fails in the first summary and passes alone: both are
# in the log, and its wait is to be mended.
# COMFYUI=DIR: another ComfyUI than the one here. PYTHON_COMFYUI: the Python that has what it and
# the tests need. FRONTEND=DIR: a folder with another page than the one that it pins.
test: $(if $(PYTHON_COMFYUI),,setup)  ## every test; with COMFYUI=DIR those of nodes, server and page there
ifdef COMFYUI
	@OMP_NUM_THREADS=1 TOONTWEEN_COMFYUI="$(COMFYUI)" TOONTWEEN_FRONTEND="$(FRONTEND)" \
		"$(or $(PYTHON_COMFYUI),$(PYTHON))" -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
		tests/nodes tests/comfy
else
	@$(PYTEST) --no-loadscope-reorder || { [ $$? = 1 ] && echo "Once more, alone, what failed:" \
		&& OMP_NUM_THREADS=1 $(PYTHON) -m pytest --last-failed --last-failed-no-failures none; }
endif

test-fast: setup  ## core and nodes, without a server or whole clips, in under a minute
	@$(PYTEST) tests/core tests/nodes tests/test_floors.py $(NOT_FAST) -m "not slow and not server and not browser and not chrome"

fuzz: setup  ## malformed and hostile files, inputs, media and options: every case
	@OMP_NUM_THREADS=1 $(PYTHON) tests/fuzz

soak: setup  ## 200 runs and 50 cancels in one server, without growth
	@OMP_NUM_THREADS=1 $(PYTHON) benchmarks/soak.py

# PYTHON=python3: another machine's, without set-up. STAGES, MINUTES, OUT: docs/performance.md.
gpu: $(if $(filter .venv/bin/python,$(PYTHON)),setup)  ## measure on a CUDA GPU, in resumable calls of 9 minutes
	@$(PYTHON) -m benchmarks.gpu_kit $(STAGES) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(OUT),--out $(OUT))

nano: $(if $(filter .venv/bin/python,$(PYTHON)),setup)  ## a whole small model from nothing, in calls of 9 minutes
	@$(PYTHON) -m train.nano $(if $(MINUTES),minutes=$(MINUTES)) $(if $(OUT),out=$(OUT)) $(OPTIONS)

lint: setup  ## ruff, mypy, and whether the generated docs are up to date
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) scripts/make_docs.py --check

docs: setup  ## write the generated parts of docs/ and locales/
	@$(PYTHON) scripts/make_docs.py
	@$(PYTHON) scripts/english_locale.py 2>/dev/null
