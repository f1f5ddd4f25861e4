"""Reports of runs: one HTML page and PNG files from what lies in the folders of runs. It imports no torch."""
