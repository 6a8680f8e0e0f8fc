"""A model and a text -> what it looks at, what speaks for its answer, and pictures of both."""
