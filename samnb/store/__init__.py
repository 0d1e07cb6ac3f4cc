"""What lasts: the log of a project and the media it is about."""
