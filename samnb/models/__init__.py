"""Models behind one contract; importing this package loads no framework."""
