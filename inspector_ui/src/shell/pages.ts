import type { ParseKeys } from "i18next";
import type { Permission } from "../api/types";
import { useWho } from "../who/WhoProvider";

export interface PageEntry<Path extends string = PagePath> {
  path: Path;
  label: ParseKeys;
  /** One of these is enough. */
  needs: Permission | readonly Permission[];
  /** Those that are not for every hour stand together in a menu. */
  group?: PageGroup;
}

export type PageGroup = "figures" | "system";

/** The pages in the order of the header, and what each asks of the server; the server answers every path with index.html. */
const pages = [
  { path: "/review", label: "nav.review", needs: "review" },
  { path: "/study", label: "nav.study", needs: "review" },
  { path: "/live", label: "nav.live", needs: "read" },
  { path: "/history", label: "nav.history", needs: "read" },
  { path: "/quality", label: "nav.quality", needs: "measure", group: "figures" },
  { path: "/sampling", label: "nav.sampling", needs: "measure", group: "figures" },
  { path: "/roi", label: "nav.roi", needs: "measure", group: "figures" },
  { path: "/before", label: "nav.before", needs: "measure", group: "figures" },
  { path: "/drift", label: "nav.drift", needs: "read", group: "system" },
  { path: "/models", label: "nav.models", needs: "read", group: "system" },
  { path: "/settings", label: "nav.settings", needs: ["models", "holds"], group: "system" },
  { path: "/audit", label: "nav.audit", needs: "audit", group: "system" },
  { path: "/people", label: "nav.people", needs: "people", group: "system" },
] as const satisfies readonly PageEntry<string>[];

/** For everybody; reached from the header and from the help, not among the pages that one works on. */
export const GUIDE = "/guide";

export type PagePath = (typeof pages)[number]["path"];

/** Those that the role may use; people and keys mean nothing without authentication. */
export function usePages(): PageEntry[] {
  const { auth, permissions } = useWho();
  return pages.filter(
    ({ path, needs }) => [needs].flat().some((each) => permissions.includes(each)) && (auth || path !== "/people"),
  );
}
