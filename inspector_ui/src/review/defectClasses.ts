import type { Inspection, ModelInfo } from "../api/types";

/** The defect classes of the model that decided, else of the active one, most probable first. */
export function defectClasses({ class_probability: shares, model }: Inspection, models: ModelInfo[]): string[] {
  const known =
    models.find((each) => each.name === model?.name && each.version === model.version) ??
    models.find((each) => each.active);
  return [...(known?.defect_classes ?? [])].sort((one, other) => (shares[other] ?? 0) - (shares[one] ?? 0));
}
