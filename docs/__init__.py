"""Programs that make parts of the documents: `reference` their tables, `pictures` their pictures."""
