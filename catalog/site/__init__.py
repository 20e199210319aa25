"""The documentation site: a writer that turns the catalogue into pages, and what builds, checks and serves them."""
