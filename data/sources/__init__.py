"""Where labelled images come from: each source turns what it finds into catalog rows, and accounts for every file."""
