import { useEffect } from "react";

const SCHEME = "data-mantine-color-scheme";

/** Paper is white: while the page is printed it has the light colours, whatever the screen has. */
export function useLightPrint() {
  useEffect(() => {
    const root = document.documentElement;
    let shown: string | null = null;
    const before = () => {
      shown = root.getAttribute(SCHEME);
      root.setAttribute(SCHEME, "light");
    };
    const after = () => root.setAttribute(SCHEME, shown ?? "light");
    window.addEventListener("beforeprint", before);
    window.addEventListener("afterprint", after);
    return () => {
      window.removeEventListener("beforeprint", before);
      window.removeEventListener("afterprint", after);
    };
  }, []);
}
