"""The HTTP interface, version 1: one file for each noun. What a route does lives in the module that its body calls."""
