import { NativeSelect, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { addBox } from "../actions/addBox";
import { deleteBox } from "../actions/deleteBox";
import type { ReviewContext } from "../actions/reviewContext";
import { undoBox } from "../actions/undoBox";
import type { QueueItem } from "../api/types";
import { MOST_BOXES } from "../image/boxes";
import { ActionButton } from "./ActionButton";
import { useDefectClasses } from "./defectClasses";
import classes from "./LookBar.module.css";
import type { useBoxes } from "./useBoxes";

interface Props {
  context: ReviewContext;
  drawing: ReturnType<typeof useBoxes>;
  inspection: QueueItem;
  defectClass: string | null;
}

/** What can be done with boxes, only there while they are drawn. */
export function BoxBar({ context, drawing, inspection, defectClass }: Props) {
  const { t } = useTranslation();
  const { boxes, selected } = drawing;
  const box = selected === null ? undefined : boxes[selected];
  const known = useDefectClasses(inspection);
  // a class that the part was given by hand, or by another model
  const names = box?.label && !known.includes(box.label) ? [...known, box.label] : known;
  return (
    <div className={classes.bar} data-testid="box-bar">
      <ActionButton action={addBox} context={context} icon="plus" />
      <ActionButton action={undoBox} context={context} icon="undo" />
      <ActionButton action={deleteBox} context={context} icon="trash" />
      {box === undefined ? (
        <Text size="sm" c="dimmed" lh="20px" mih={44} className={classes.hint}>
          {t(boxes.length < MOST_BOXES ? "box.hint" : "box.most", { n: MOST_BOXES })}
        </Text>
      ) : (
        <NativeSelect
          className={classes.select}
          aria-label={t("box.class")}
          data={[
            { value: "", label: t("box.asPart", { name: defectClass ?? t("box.noClass") }) },
            ...names.map((name) => ({ value: name, label: name })),
          ]}
          value={box.label ?? ""}
          onChange={(event) => drawing.label(event.currentTarget.value || null)}
        />
      )}
    </div>
  );
}
