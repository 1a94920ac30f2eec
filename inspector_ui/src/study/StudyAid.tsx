import { Text } from "@mantine/core";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Inspection } from "../api/types";
import { ImageViewer, type ViewerHandle } from "../image/ImageViewer";
import { useWhy } from "../review/useWhy";
import { ScoreBar } from "../verdict/ScoreBar";
import { VerdictBadge } from "../verdict/VerdictBadge";
import classes from "./StudyRun.module.css";

/** A part with what the model said of it, as on the review page. */
export function StudyAid({ inspection }: { inspection: Inspection }) {
  const { t } = useTranslation();
  const why = useWhy(inspection);
  const viewer = useRef<ViewerHandle>(null);
  return (
    <div className={classes.aided}>
      <div className={classes.viewer}>
        <ImageViewer handle={viewer} inspection={inspection} heat={false} heatOpacity={0} regions />
      </div>
      <section className={classes.aid} aria-label={t("study.aid")} data-testid="aid">
        <Text size="sm" c="dimmed">
          {t("study.aid")}
        </Text>
        <VerdictBadge verdict={inspection.verdict} size="lg" />
        {inspection.defect_probability !== null && inspection.thresholds !== null && (
          <ScoreBar score={inspection.defect_probability} thresholds={inspection.thresholds} />
        )}
        <Text mt={6}>{why}</Text>
        {inspection.verdict !== "PASS" && inspection.class !== null && <Text fw={600}>{inspection.class}</Text>}
      </section>
    </div>
  );
}
