"""What the pages need: their figures, and a hook of MkDocs."""
