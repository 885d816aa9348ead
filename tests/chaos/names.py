"""The environment variables by which a sabotaged process knows what it is."""

CONTROL = "CHAOS_CONTROL"  # the directory in which failpoints are armed
MUTANT = "CHAOS_MUTANT"  # what is wrong with the desk on purpose
ROLE = "CHAOS_ROLE"  # web, worker, beat, exchange, network
SKEW = "CHAOS_SKEW"  # seconds by which its clock is off
