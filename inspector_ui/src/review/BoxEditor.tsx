import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { BoxWord, placed } from "../image/Boxes";
import classes from "../image/Boxes.module.css";
import { asMarked, nudged } from "../image/boxes";
import type { useBoxes } from "./useBoxes";

const CORNERS = [
  { left: 0, top: 0 },
  { left: "100%", top: 0 },
  { left: 0, top: "100%" },
  { left: "100%", top: "100%" },
] as const;

interface Props {
  drawing: ReturnType<typeof useBoxes>;
  defectClass: string | null;
  /** While somebody looks beneath them; the keyboard stays where it is. */
  hidden: boolean;
}

/** The boxes of the part on the screen; while they are drawn the keyboard goes from one to the next, and moves them. */
export function BoxEditor({ drawing, defectClass, hidden }: Props) {
  const { t } = useTranslation();
  const { on, boxes, size, selected, focus } = drawing;
  const list = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what was drawn or pressed takes the keyboard
  useEffect(() => {
    if (on && focus > 0 && selected !== null) {
      list.current?.querySelectorAll("button")[selected]?.focus({ preventScroll: true });
    }
  }, [focus]);
  return (
    <div ref={list} data-testid="boxes" style={{ opacity: hidden ? 0 : 1 }}>
      {asMarked(boxes, defectClass).map((box, index) => (
        <button
          // biome-ignore lint/suspicious/noArrayIndexKey: a box is its place in the list, wherever it is moved
          key={index}
          type="button"
          className={classes.box}
          style={placed(box)}
          // pressing it does nothing, so that a held key may
          data-box
          data-selected={on && index === selected}
          tabIndex={on ? 0 : -1}
          aria-label={t("box.one", {
            n: index + 1,
            of: boxes.length,
            label: box.label || t("box.noClass"),
            width: box.x1 - box.x0,
            height: box.y1 - box.y0,
            x: box.x0,
            y: box.y0,
          })}
          onFocus={() => drawing.select(index)}
          onKeyDown={(event) => {
            const { code, shiftKey, ctrlKey, altKey, metaKey, repeat } = event;
            const drawn = boxes[index];
            if (code === "Escape") {
              event.currentTarget.blur();
              drawing.select(null);
            } else if (drawn !== undefined && !altKey && !metaKey) {
              const after = nudged(drawn, code, ctrlKey ? 1 : drawing.step(), shiftKey, size);
              if (after !== null) {
                // or the page would scroll
                event.preventDefault();
                drawing.replace(index, after, !repeat);
              }
            }
          }}
        >
          <BoxWord box={box} size={size}>
            {box.label || t("box.noClass")}
          </BoxWord>
          {on &&
            index === selected &&
            CORNERS.map((corner) => (
              <span key={`${corner.left} ${corner.top}`} className={classes.handle} style={corner} />
            ))}
        </button>
      ))}
    </div>
  );
}
