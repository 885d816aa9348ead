# What a developer does, one word each. `just` alone lists them.

_:
    @just --list --unsorted

# Install everything, for working on the code
setup:
    ./desk check --help > /dev/null

# Run the desk
run *arguments:
    ./desk up {{arguments}}

# Run the tests
test *arguments:
    ./desk test {{arguments}}

# Lint, types, layers, migrations, deployment checks
check:
    ./desk check
