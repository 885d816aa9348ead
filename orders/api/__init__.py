"""The native REST API. A view reads a request, makes one call, and shows what came of it."""
