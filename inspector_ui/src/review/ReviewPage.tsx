import { useLocalStorage } from "@mantine/hooks";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { reviewActions } from "../actions/reviewActions";
import type { ReviewContext } from "../actions/reviewContext";
import { useActionKeys } from "../actions/useActionKeys";
import { Icon } from "../icons/Icon";
import { ImageViewer, type ViewerHandle } from "../image/ImageViewer";
import { ReviewerDialog } from "../reviewer/ReviewerDialog";
import { useReviewer } from "../reviewer/reviewer";
import { Notice } from "../shell/Notice";
import { QueryView } from "../shell/QueryView";
import { Counts } from "./Counts";
import { DecisionButtons } from "./DecisionButtons";
import { Evidence } from "./Evidence";
import { Facts } from "./Facts";
import { LastDecision } from "./LastDecision";
import { LookBar } from "./LookBar";
import { NextParts } from "./NextParts";
import { usePrefetch } from "./prefetch";
import classes from "./ReviewPage.module.css";
import { useReviewing } from "./useReviewing";

/** One flagged part after another, decided by one key each. */
export function ReviewPage() {
  const { t } = useTranslation();
  const [reviewer, setReviewer] = useReviewer();
  const reviewing = useReviewing();
  const { current, next } = reviewing;
  const [heat, setHeat] = useStoredSwitch("inspector.heat", false);
  const [regions, setRegions] = useStoredSwitch("inspector.regions", true);
  const [heatOpacity, setHeatOpacity] = useLocalStorage({
    key: "inspector.heat-opacity",
    defaultValue: 0.7,
    getInitialValueInEffect: false,
  });
  const viewer = useRef<ViewerHandle>(null);
  const noteField = useRef<HTMLTextAreaElement>(null);
  usePrefetch(next);

  const context: ReviewContext = {
    hasPart: current !== null && reviewer !== "",
    canUndo: reviewing.last !== null,
    hasHeat: current !== null && current.defect_probability !== null,
    hasRegions: (current?.regions.length ?? 0) > 0,
    decide: reviewing.decide,
    undo: reviewing.undo,
    editNote: () => noteField.current?.focus(),
    toggleHeat: () => setHeat(!heat),
    toggleRegions: () => setRegions(!regions),
    zoomIn: () => viewer.current?.zoomIn(),
    zoomOut: () => viewer.current?.zoomOut(),
    fit: () => viewer.current?.fit(),
  };
  useActionKeys(reviewActions, context);

  return (
    <div className={classes.page}>
      {reviewer === "" && <ReviewerDialog name="" onSave={setReviewer} />}
      <section className={classes.stage} aria-label={t("review.image")}>
        {current === null ? (
          <div className={classes.empty}>
            <QueryView query={reviewing.query}>
              {() => (
                <Notice
                  art={<Icon name="check" size={72} />}
                  title={t("review.empty")}
                  hint={
                    reviewing.decidedCount > 0
                      ? `${t("review.emptyDone", { n: reviewing.decidedCount })} ${t("review.emptyHint")}`
                      : t("review.emptyHint")
                  }
                />
              )}
            </QueryView>
          </div>
        ) : (
          <>
            <LookBar
              context={context}
              heat={heat}
              regions={regions}
              heatOpacity={heatOpacity}
              onHeatOpacity={setHeatOpacity}
            />
            <ImageViewer
              key={current.id}
              handle={viewer}
              inspection={current}
              heat={heat && context.hasHeat}
              heatOpacity={heatOpacity}
              regions={regions}
            />
            <Facts inspection={current} />
            <NextParts items={next} onPick={reviewing.show} />
          </>
        )}
      </section>
      <aside className={classes.side} aria-label={t("review.decisions")}>
        <div className={classes.evidence}>
          <Counts reviewing={reviewing} />
          {current !== null && <Evidence reviewing={reviewing} inspection={current} noteField={noteField} />}
        </div>
        <div className={classes.decisions}>
          <DecisionButtons context={context} />
          <LastDecision last={reviewing.last} context={context} />
        </div>
      </aside>
    </div>
  );
}

function useStoredSwitch(key: string, defaultValue: boolean) {
  return useLocalStorage({ key, defaultValue, getInitialValueInEffect: false });
}
