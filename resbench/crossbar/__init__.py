"""Simulated hardware: devices, pulse trains, periphery and tiles. It knows nothing of layers, training or Lightning."""
