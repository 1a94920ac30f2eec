"""Statistics of quality control: pure functions of counts, without a database."""
