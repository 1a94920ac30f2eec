import type { Inspection } from "../api/types";

/** Class names that mean a good part unless a configuration says otherwise (DESIGN.md section 7). */
const OK_CLASSES = new Set(["good", "ok", "normal", "pass"]);

/** The model's defect classes, most probable first; empty when the model gave no classes. */
export function defectClasses({ class_probability: shares, class: predicted }: Inspection): string[] {
  return Object.keys(shares)
    .filter((name) => name === predicted || !OK_CLASSES.has(name.toLowerCase()))
    .sort((one, other) => (shares[other] ?? 0) - (shares[one] ?? 0));
}
