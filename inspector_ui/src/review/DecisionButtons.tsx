import { useTranslation } from "react-i18next";
import { acceptAsIs } from "../actions/acceptAsIs";
import { confirmDefect } from "../actions/confirmDefect";
import { isEnabled } from "../actions/dispatchKey";
import { falseCall } from "../actions/falseCall";
import type { ReviewContext } from "../actions/reviewContext";
import { unsure } from "../actions/unsure";
import { KeyCap } from "../shell/KeyCap";
import { decisionLabel } from "../verdict/decisionLabel";
import { decisionColour, decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import classes from "./DecisionButtons.module.css";

const BUTTONS = [
  { action: confirmDefect, decision: "DEFECT_CONFIRMED" },
  { action: falseCall, decision: "FALSE_CALL" },
  { action: acceptAsIs, decision: "DEFECT_ACCEPTED" },
  { action: unsure, decision: "UNSURE" },
] as const;

/** The four decisions, big enough for a glove. */
export function DecisionButtons({ context, blind }: { context: ReviewContext; blind: boolean }) {
  const { t } = useTranslation();
  return (
    <div className={classes.buttons}>
      {BUTTONS.map(({ action, decision }) => (
        <button
          key={action.name}
          type="button"
          className={classes.button}
          style={{ borderColor: `var(--verdict-${decisionColour(decision)})` }}
          disabled={!isEnabled(action, context)}
          onClick={(event) => {
            action.perform(context);
            // a focused button would take Space and Enter for itself on the next part
            event.currentTarget.blur();
          }}
        >
          <VerdictShape verdict={decisionVerdict(decision)} size={24} />
          <span className={classes.label}>{t(decisionLabel(decision, blind))}</span>
          <KeyCap cap={action.caps[0] ?? ""} />
          <span className={classes.hint}>{t(`decisionHint.${decision}`)}</span>
        </button>
      ))}
    </div>
  );
}
