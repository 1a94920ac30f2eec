import type { ReviewDecision } from "../api/types";

/** What the actions of the Review page act on. */
export interface ReviewContext {
  hasPart: boolean;
  canUndo: boolean;
  hasHeat: boolean;
  hasRegions: boolean;
  /** Whether boxes can be drawn: there is an image. */
  canDraw: boolean;
  canAddBox: boolean;
  canUndoBox: boolean;
  canDeleteBox: boolean;
  hasClasses: boolean;
  decide(decision: ReviewDecision): void;
  undo(): void;
  editNote(): void;
  nextClass(): void;
  toggleHeat(): void;
  toggleRegions(): void;
  zoomIn(): void;
  zoomOut(): void;
  fit(): void;
  actualSize(): void;
  toggleDrawing(): void;
  addBox(): void;
  undoBox(): void;
  deleteBox(): void;
}
