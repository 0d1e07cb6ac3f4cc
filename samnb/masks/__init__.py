"""Pure functions over masks: run lengths, repair and drawing, pictures."""
