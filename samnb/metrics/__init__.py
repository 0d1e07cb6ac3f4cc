"""Pure functions that score masks and masklets."""
