"""Curation: examples on copies of dialogs, frozen into dataset versions."""
