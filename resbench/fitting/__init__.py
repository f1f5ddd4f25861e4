"""Device models from measurements: pulse responses in, a device with noise, spreads and standard errors out."""
