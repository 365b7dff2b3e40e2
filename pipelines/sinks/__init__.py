"""Where exports go besides files: a module a destination."""
