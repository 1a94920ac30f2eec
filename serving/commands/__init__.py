"""Commands of `python -m serving` that need no server: one file for each noun, put together in serving.__main__."""
