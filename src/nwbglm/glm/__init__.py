"""The engine: arrays in, arrays out (`fit`); and the stages that use it (`model`, `predict`, `generate`)."""
