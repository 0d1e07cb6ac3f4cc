"""A project's own account of itself, from its log alone: facts, methods text, dataset card."""
