"""The loop itself: flow, state, session and statistics. No torch, no widgets."""
