"""Commands of `python -m serving`: one file for each noun, put together in serving.__main__."""
