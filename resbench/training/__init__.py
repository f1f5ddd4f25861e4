"""One run: read its config, check it, train, and leave a record in the folder named by the hash of the config."""
