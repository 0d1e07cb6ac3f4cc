"""Training of the default model: teacher masks, distillation, memory, measurement."""
