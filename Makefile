.PHONY: setup demo test lint soak

setup:
	@bash scripts/setup.sh

demo: setup
	@.venv/bin/python scripts/demo.py

test: setup
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .

soak: setup
	@OMP_NUM_THREADS=1 .venv/bin/python benchmarks/soak.py
