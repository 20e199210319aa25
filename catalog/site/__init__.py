"""The documentation site: a writer that turns the catalog into pages, and what builds, checks and serves them."""
