import type { CSSProperties } from "react";
import type { Box } from "../api/types";
import classes from "./Boxes.module.css";
import type { Corners, Size } from "./boxes";

/** Where a box lies, in image pixels, for `.box` of the style sheet. */
export function placed({ x0, y0, x1, y1 }: Corners): CSSProperties {
  return { "--x0": x0, "--y0": y0, "--x1": x1, "--y1": y1 } as CSSProperties;
}

/** What a box is called, above it, or below where it begins in the upper tenth of the image. */
export function BoxWord({ box, size, children }: { box: Corners; size: Size; children: string }) {
  return (
    <span className={classes.word} data-below={box.y0 < size.height / 10 && box.y1 < size.height * 0.9}>
      {children}
    </span>
  );
}

/** Boxes that a person drew, to look at; `word` says whose they are or of what class. */
export function Boxes({ boxes, size, word }: { boxes: readonly Box[]; size: Size; word: (box: Box) => string }) {
  return (
    <div aria-hidden="true" data-testid="boxes">
      {boxes.map((box, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two boxes may be the same, and none moves here
        <div key={index} className={classes.box} style={placed(box)}>
          {word(box) !== "" && (
            <BoxWord box={box} size={size}>
              {word(box)}
            </BoxWord>
          )}
        </div>
      ))}
    </div>
  );
}
