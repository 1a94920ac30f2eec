import { useQuery } from "@tanstack/react-query";
import type { Inspection, ModelInfo, QueueItem } from "../api/types";
import { modelsQuery } from "./modelsQuery";

/** The classes to choose from; of a blind part in alphabetical order, for the most probable first would tell what the model said. */
export function useDefectClasses(item: QueueItem | null): string[] {
  const models = useQuery(modelsQuery);
  const likely = item === null ? [] : defectClasses(item, models.data ?? []);
  return item?.blind ? [...likely].sort() : likely;
}

/** The defect classes of the model that decided, else of the active one, most probable first. */
export function defectClasses({ class_probability: shares, model }: Inspection, models: ModelInfo[]): string[] {
  const known =
    models.find((each) => each.name === model?.name && each.version === model.version) ??
    models.find((each) => each.active);
  return [...(known?.defect_classes ?? [])].sort((one, other) => (shares[other] ?? 0) - (shares[one] ?? 0));
}
