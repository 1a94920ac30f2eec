import { useLocalStorage } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import { hideEvidence, showGood } from "../actions/holdAction";
import { reviewActions } from "../actions/reviewActions";
import type { ReviewContext } from "../actions/reviewContext";
import { useActionKeys } from "../actions/useActionKeys";
import { useHeldKey } from "../actions/useHeldKey";
import type { QueueItem } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { ImageViewer, type ViewerHandle } from "../image/ImageViewer";
import { ReviewerDialog } from "../reviewer/ReviewerDialog";
import { useReviewer } from "../reviewer/reviewer";
import { Notice } from "../shell/Notice";
import { QueryView } from "../shell/QueryView";
import { BoxBar } from "./BoxBar";
import { BoxEditor } from "./BoxEditor";
import { Counts } from "./Counts";
import { classAfter } from "./classAfter";
import { DecisionButtons } from "./DecisionButtons";
import { useDefectClasses } from "./defectClasses";
import { Evidence } from "./Evidence";
import { Facts } from "./Facts";
import { LastDecision } from "./LastDecision";
import { LookBar } from "./LookBar";
import { NextParts } from "./NextParts";
import classes from "./ReviewPage.module.css";
import type { Decided } from "./session";
import { pastQuery, similarQuery } from "./similarQuery";
import { useBoxes } from "./useBoxes";
import { DECODED_AHEAD, usePrefetch } from "./usePrefetch";
import { useReviewing } from "./useReviewing";

/** One flagged part after another, decided by one key each. */
export default function ReviewPage() {
  const { t } = useTranslation();
  const [reviewer, setReviewer] = useReviewer();
  const viewer = useRef<ViewerHandle>(null);
  const reviewing = useReviewing(async (following) => viewer.current?.showAhead(following));
  const { current, next } = reviewing;
  const [heat, setHeat] = useStoredSwitch("inspector.heat", false);
  const [regions, setRegions] = useStoredSwitch("inspector.regions", true);
  const [heatOpacity, setHeatOpacity] = useLocalStorage({
    key: "inspector.heat-opacity",
    defaultValue: 0.7,
    getInitialValueInEffect: false,
  });
  const noteField = useRef<HTMLTextAreaElement>(null);
  usePrefetch(next);
  const blind = current?.blind ?? false;
  const { draft, setDraft } = reviewing;
  const drawing = useBoxes(current, draft.boxes, (boxes) => setDraft({ boxes }), viewer);
  const hidden = useHeldKey(hideEvidence);
  const good = useQuery({ ...similarQuery(current?.id ?? ""), enabled: current !== null }).data?.reference ?? null;
  const goodHeld = useHeldKey(showGood) && good !== null;
  useComparisonsAhead(next);

  const undo = (decided?: Decided) => {
    // the part comes back with its boxes, and to decide about
    drawing.end();
    reviewing.undo(decided);
  };
  const classNames = useDefectClasses(current);
  const context: ReviewContext = {
    hasPart: current !== null && reviewer !== "",
    canUndo: reviewing.last !== null && !drawing.on,
    canDraw: drawing.canDraw && reviewer !== "",
    canAddBox: drawing.canAdd,
    canUndoBox: drawing.canUndo,
    canDeleteBox: drawing.canDelete,
    hasHeat: current !== null && !blind && current.defect_probability !== null,
    hasRegions: !blind && (current?.regions.length ?? 0) > 0,
    hasClasses: classNames.length > 0,
    decide: reviewing.decide,
    undo: () => undo(),
    editNote: () => noteField.current?.focus(),
    nextClass: () => reviewing.setDraft({ defectClass: classAfter(classNames, reviewing.draft.defectClass) }),
    toggleHeat: () => setHeat(!heat),
    toggleRegions: () => setRegions(!regions),
    zoomIn: () => viewer.current?.zoomIn(),
    zoomOut: () => viewer.current?.zoomOut(),
    fit: () => viewer.current?.fit(),
    actualSize: () => viewer.current?.actualSize(),
    toggleDrawing: drawing.toggle,
    addBox: drawing.add,
    undoBox: drawing.undo,
    deleteBox: drawing.remove,
  };
  useActionKeys(reviewActions, context);

  const ahead = useMemo(() => next.slice(0, DECODED_AHEAD), [next]);
  return (
    <div className={classes.page}>
      {reviewer === "" && <ReviewerDialog name="" onSave={setReviewer} />}
      <section className={classes.stage} aria-label={t("review.image")}>
        {current === null ? (
          <div className={classes.empty}>
            <QueryView query={reviewing.query}>{() => <NothingLeft reviewing={reviewing} />}</QueryView>
          </div>
        ) : (
          <>
            <div>
              <LookBar
                context={context}
                heat={heat}
                regions={regions}
                drawing={drawing.on}
                heatOpacity={heatOpacity}
                onHeatOpacity={setHeatOpacity}
              />
              {drawing.on && (
                <BoxBar context={context} drawing={drawing} inspection={current} defectClass={draft.defectClass} />
              )}
            </div>
            <ImageViewer
              handle={viewer}
              inspection={current}
              next={ahead}
              instead={goodHeld ? good.inspection : null}
              heat={heat && context.hasHeat && !hidden}
              heatOpacity={heatOpacity}
              regions={regions && context.hasRegions && !hidden}
              strokes={drawing.strokes}
              marks={
                draft.boxes.length > 0 && (
                  <BoxEditor drawing={drawing} defectClass={draft.defectClass} hidden={hidden} />
                )
              }
            >
              {goodHeld && (
                <div className={classes.instead} role="status">
                  {t("compare.insteadOf", { part: good.inspection.part_id })}
                </div>
              )}
            </ImageViewer>
            <Facts inspection={current} />
            <NextParts items={next} onPick={reviewing.show} />
          </>
        )}
      </section>
      <aside className={classes.side} aria-label={t("review.decisions")}>
        <div className={classes.evidence}>
          <Counts reviewing={reviewing} />
          {current !== null && (
            <Evidence reviewing={reviewing} inspection={current} classNames={classNames} noteField={noteField} />
          )}
        </div>
        <div className={classes.decisions}>
          <DecisionButtons context={context} blind={blind} />
          <LastDecision decided={reviewing.decided} onUndo={undo} context={context} />
        </div>
      </aside>
    </div>
  );
}

function useStoredSwitch(key: string, defaultValue: boolean) {
  return useLocalStorage({ key, defaultValue, getInitialValueInEffect: false });
}

/** Ask for the comparisons of the next parts too, so that they are there with the image. */
function useComparisonsAhead(next: readonly QueueItem[]): void {
  const queries = useQueryClient();
  const soon = next[0]?.id;
  useEffect(() => {
    if (soon !== undefined) {
      void queries.prefetchQuery(similarQuery(soon));
      void queries.prefetchQuery(pastQuery(soon));
    }
  }, [queries, soon]);
}

function NothingLeft({ reviewing }: { reviewing: ReturnType<typeof useReviewing> }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { query, waiting, withOthers, decidedCount } = reviewing;
  const done = decidedCount > 0 ? t("review.emptyDone", { n: format.count(decidedCount) }) : "";
  if (query.isError) {
    return (
      <Notice
        art={<Icon name="cloudOff" size={72} />}
        title={t("review.noneInHand")}
        hint={format.sentences(done, t("review.noneInHandHint"))}
      />
    );
  }
  if (waiting > 0 && withOthers > 0) {
    return (
      <Notice
        art={<Icon name="person" size={72} />}
        title={t("review.allWithOthers", { count: withOthers, n: withOthers })}
        hint={format.sentences(done, t("review.allWithOthersHint"))}
      />
    );
  }
  return (
    <Notice
      art={<Icon name="check" size={72} />}
      title={t("review.empty")}
      hint={format.sentences(done, t("review.emptyHint"))}
    />
  );
}
