"""The foundation of the small verifier: taught on drawn pictures whose truth is known."""
