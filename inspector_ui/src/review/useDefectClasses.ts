import { useQuery } from "@tanstack/react-query";
import type { QueueItem } from "../api/types";
import { defectClasses } from "./defectClasses";
import { modelsQuery } from "./modelsQuery";

/** The classes that a defect of the part may have. */
export function useDefectClasses(inspection: QueueItem): string[] {
  const models = useQuery(modelsQuery);
  const likely = defectClasses(inspection, models.data ?? []);
  // the most probable class first would tell what the model said
  return inspection.blind ? [...likely].sort() : likely;
}
