/** The class that follows the chosen one, the first after the last. */
export function classAfter(names: readonly string[], chosen: string | null): string | null {
  return names[(names.indexOf(chosen ?? "") + 1) % names.length] ?? null;
}
