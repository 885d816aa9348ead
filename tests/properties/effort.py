"""How many random examples are tried, by Hypothesis' profile: see `tests/properties`."""

from hypothesis import settings

# Of what is pure, of what goes through PostgreSQL, and of whole days at the desk.
EXAMPLES = {"quick": (25, 6, 5), "deep": (50_000, 2_000, 500)}

PURE, STORED, DAYS = EXAMPLES.get(settings.get_current_profile_name(), EXAMPLES["quick"])
