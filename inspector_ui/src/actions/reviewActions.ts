import { acceptAsIs } from "./acceptAsIs";
import { actualSize } from "./actualSize";
import { confirmDefect } from "./confirmDefect";
import { falseCall } from "./falseCall";
import { fit } from "./fit";
import { nextClass } from "./nextClass";
import { note } from "./note";
import { toggleHeat } from "./toggleHeat";
import { toggleRegions } from "./toggleRegions";
import { undo } from "./undo";
import { unsure } from "./unsure";
import { zoomIn } from "./zoomIn";
import { zoomOut } from "./zoomOut";

export const decideActions = [confirmDefect, falseCall, acceptAsIs, unsure, undo, nextClass, note] as const;
export const lookActions = [toggleHeat, toggleRegions, zoomIn, zoomOut, fit, actualSize] as const;
export const reviewActions = [...decideActions, ...lookActions];
