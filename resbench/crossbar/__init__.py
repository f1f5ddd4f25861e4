"""Simulated hardware: devices, pulse trains, periphery and tiles. Knows nothing of learning, layers or Lightning."""
