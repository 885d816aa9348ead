# What a developer does, a word each. The work itself is in ./desk, which needs no just.

_:
    @just --list --unsorted

# Install everything for working on the code
setup:
    ./desk install

# Run the desk until Ctrl-C
run *arguments:
    ./desk up {{arguments}}

# Run the tests
test *arguments:
    ./desk test {{arguments}}

# Break a whole desk on purpose and see what it kept: --smoke, --seed 1, --mutants
chaos *arguments:
    .venv/bin/python -m tests.chaos {{arguments}}

# A thousand brackets at a broker that fails in every way: --trials 1000 --seed 1
brackets *arguments:
    .venv/bin/python -m tests.brackets {{arguments}}

# Lint, types, layers, templates, migrations, deployment
check:
    ./desk check

# Put right what can be put right by itself
fix: setup
    .venv/bin/ruff check --fix
    .venv/bin/ruff format
    find templates -name '*.html' -exec .venv/bin/djade --target-version 5.2 {} +

# Lock the newest versions that pyproject.toml allows; then run the tests
lock:
    .venv/bin/python -m tools.lock
