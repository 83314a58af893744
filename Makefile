# make demo: set up and open the page. make test: set up, check and test. make check: style, types, imports.
# make setup: what both need. make benchmark: what things cost, as ratios; with FERPLUS=FOLDER also what others reach.
# make audit: the installed packages against PyPI's list of known weaknesses; needs the network.
# make texts: all texts of the page in one file, for translators.
# make soak: hostile input, load and long use, for hours; make test has short versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo setup test check texts benchmark soak audit clean

demo: $(VENV)/runtime
	DAN_OPEN_BROWSER=1 $(BIN)/python app.py

setup: $(VENV)/development

test: check
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

check: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

texts: $(VENV)/development
	PYTHONPATH=. $(BIN)/pybabel -q extract --mapping=babel.cfg --no-default-keywords --keywords="_ N_ translate_plural:1,2" \
		--omit-header --sort-by-file --add-location=file --width=120 --output=dan_model/locale/page.pot dan_model

benchmark: $(VENV)/development
	$(BIN)/python -m benchmarks
	$(if $(FERPLUS),$(BIN)/python -m benchmarks.peers $(FERPLUS))

soak: $(VENV)/development
	$(BIN)/python -m campaigns.hostile_images --count 20000
	$(BIN)/python -W ignore -m campaigns.hostile_checkpoints --count 4000
	$(BIN)/python -m campaigns.hostile_calls --count 4000
	$(BIN)/python -m campaigns.load --seconds 120
	$(BIN)/python -m campaigns.soak --explanations 1000

audit: $(VENV)/runtime
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit~=2.10
	$(VENV)/audit/bin/pip-audit --strict --progress-spinner off \
		--path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/development: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV)
