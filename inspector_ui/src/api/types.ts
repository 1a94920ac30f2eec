import type { components } from "./generated/schema";

type Schemas = components["schemas"];

export type Inspection = Schemas["Inspection"];
export type Verdict = Inspection["verdict"];
export type Thresholds = NonNullable<Inspection["thresholds"]>;
export type Region = Inspection["regions"][number];
export type Review = Schemas["Review"];
export type ReviewRequest = Schemas["ReviewRequest"];
export type ReviewDecision = NonNullable<ReviewRequest["decision"]>;
export type ReviewQueue = Schemas["ReviewQueue"];
export type QualityMetrics = Schemas["QualityMetrics"];
export type Rate = Schemas["Rate"];
export type ThroughputMetrics = Schemas["ThroughputMetrics"];
export type LineThroughput = Schemas["LineThroughput"];
export type ModelInfo = Schemas["ModelInfo"];
export type ShadowComparison = Schemas["ShadowComparison"];
export type Alarm = Schemas["Alarm"];
export type Fault = NonNullable<Inspection["fault"]>;
export type DriftReport = Schemas["DriftReport"];
export type CameraDrift = Schemas["CameraDrift"];
export type DriftCheck = Schemas["DriftCheck"];
export type DriftExample = Schemas["DriftExample"];
export type Text = Schemas["Text"];
export type RoiReport = Schemas["RoiReport"];
export type RoiScenario = Schemas["RoiScenario"];
export type RoiInput = Schemas["RoiInput"];
export type RoiLine = Schemas["RoiLine"];
