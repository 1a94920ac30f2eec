import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { useFormat } from "../i18n/format";
import classes from "./HeldMark.module.css";
import { HoldShape } from "./HoldShape";
import { useLineHolds } from "./useLineHolds";

/** On every page while a line is on hold; leads to where it is shown with its reason. */
export function HeldMark() {
  const { t } = useTranslation();
  const format = useFormat();
  const holds = useLineHolds();
  if (holds.length === 0) {
    return null;
  }
  const lines = holds.map(({ line }) => line).join(", ");
  return (
    <Link href="/live" className={classes.mark} title={t("hold.held", { lines })} data-testid="held-mark">
      <HoldShape size={24} />
      <span className={classes.word}>
        {holds.length > 1 ? t("hold.several", { n: format.count(holds.length) }) : t("hold.word")}
      </span>
      <span className={classes.line}>{lines}</span>
    </Link>
  );
}
