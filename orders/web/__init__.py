"""Pages: one domain call per view, one partial for page, htmx answer and socket alike."""
