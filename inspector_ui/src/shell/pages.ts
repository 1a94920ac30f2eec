import type { ParseKeys } from "i18next";

/** The pages in the order of the header; the server answers every path with index.html. */
export const pages = [
  { path: "/review", label: "nav.review" },
  { path: "/live", label: "nav.live" },
  { path: "/quality", label: "nav.quality" },
  { path: "/roi", label: "nav.roi" },
  { path: "/drift", label: "nav.drift" },
  { path: "/models", label: "nav.models" },
] as const satisfies readonly { path: string; label: ParseKeys }[];

export type PagePath = (typeof pages)[number]["path"];
