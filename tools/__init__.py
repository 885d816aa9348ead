"""What maintainers run; the desk itself needs none of it."""
