// Before the first paint, so that a dark screen never flashes white; a file of its own, since the CSP allows no inline script.
const chosen = localStorage.getItem("inspector.color-scheme") ?? "auto";
const dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
