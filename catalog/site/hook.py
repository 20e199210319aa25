"""Writes the pages again before each build of `mkdocs serve`; `genai-patterns build` has just done so itself."""

import logging
import os
from pathlib import Path
from typing import Any

from catalog.errors import CatalogError
from catalog.site.build import write_pages


def on_pre_build(config: Any) -> None:
    """Called by MkDocs. An entry with a mistake is reported, and the pages stay as they were."""
    if "SITE_SOURCES" not in os.environ:
        try:
            write_pages(Path(config.docs_dir))
        except CatalogError as error:
            logging.getLogger("mkdocs").error(str(error))
