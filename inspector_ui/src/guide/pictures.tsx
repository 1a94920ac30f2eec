import { Badge, Text } from "@mantine/core";
import { Fragment, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { acceptAsIs } from "../actions/acceptAsIs";
import { actualSize } from "../actions/actualSize";
import { confirmDefect } from "../actions/confirmDefect";
import { falseCall } from "../actions/falseCall";
import { hideEvidence, showGood } from "../actions/holdAction";
import { unsure } from "../actions/unsure";
import { Icon } from "../icons/Icon";
import { HoldShape } from "../lines/HoldShape";
import { KeyCap } from "../shell/KeyCap";
import { ScoreBar } from "../verdict/ScoreBar";
import { VerdictBadge } from "../verdict/VerdictBadge";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import classes from "./GuidePage.module.css";

const DECISIONS = [
  { action: confirmDefect, decision: "DEFECT_CONFIRMED" },
  { action: falseCall, decision: "FALSE_CALL" },
  { action: acceptAsIs, decision: "DEFECT_ACCEPTED" },
  { action: unsure, decision: "UNSURE" },
] as const;

const EXAMPLE = { pass_below: 0.3, reject_from: 0.75, change: null, guaranteed: true };

/** The four decisions with their keys and what follows from each. */
export function DecisionsPicture() {
  const { t } = useTranslation();
  return (
    <div className={classes.decisions}>
      {DECISIONS.map(({ action, decision }) => (
        <Fragment key={decision}>
          <KeyCap cap={action.caps[0] ?? ""} />
          <VerdictShape verdict={decisionVerdict(decision)} size={30} />
          <div>
            <strong>{t(action.label)}</strong>
            <small>{t(`guide.after.${decision}`)}</small>
          </div>
        </Fragment>
      ))}
    </div>
  );
}

/** Look at the part, at a good one, at the true pixels; then decide. */
export function LookPicture() {
  const { t } = useTranslation();
  return (
    <Steps>
      <Step art={<PartPicture flaw />} cap={hideEvidence.caps[0]} word={t("guide.lookPart")} />
      <Step art={<PartPicture />} cap={showGood.caps[0]} word={t("guide.lookGood")} />
      <Step art={<PartPicture flaw large />} cap={actualSize.caps[0]} word={t("guide.lookPixels")} />
    </Steps>
  );
}

/** Where a defect probability lies, and what the system makes of it. */
export function ScorePicture() {
  return (
    <div className={classes.scores}>
      {[0.08, 0.52, 0.91].map((score) => (
        <ScoreBar key={score} score={score} thresholds={EXAMPLE} />
      ))}
    </div>
  );
}

/** The model's verdict is hidden, the person decides, then both stand beside each other. */
export function BlindPicture() {
  const { t } = useTranslation();
  return (
    <Steps>
      <Step
        art={
          <>
            <PartPicture flaw />
            <Icon name="eyeOff" size={26} />
          </>
        }
        word={t("guide.blindHidden")}
      />
      <Step art={<VerdictShape verdict={decisionVerdict("DEFECT_CONFIRMED")} size={44} />} word={t("guide.blindYou")} />
      <Step art={<VerdictBadge verdict="PASS" />} word={t("guide.blindShown")} />
    </Steps>
  );
}

/** From one person to another. */
export function UnsurePicture() {
  const { t } = useTranslation();
  return (
    <Steps>
      <Step
        art={<VerdictShape verdict={decisionVerdict("UNSURE")} size={44} />}
        cap={unsure.caps[0]}
        word={t("guide.unsureYou")}
      />
      <Step art={<Icon name="person" size={44} />} word={t("guide.unsureOther")} />
      <Step art={<Icon name="check" size={44} />} word={t("guide.unsureDone")} />
    </Steps>
  );
}

/** What the header says while the server is away, and what to do: go on. */
export function OfflinePicture() {
  const { t } = useTranslation();
  return (
    <Steps>
      <Step art={<Icon name="cloudOff" size={44} />} word={t("guide.offlineGoOn")} />
      <Step
        art={
          <Badge size="xl" tt="none" variant="light" color="orange" leftSection={<Icon name="upload" size={16} />}>
            {t("header.unsent", { n: 3 })}
          </Badge>
        }
        word={t("guide.offlineKept")}
      />
      <Step art={<Icon name="check" size={44} />} word={t("guide.offlineSent")} />
    </Steps>
  );
}

/** How a line on hold looks on the Live page. */
export function HoldPicture() {
  const { t } = useTranslation();
  return (
    <div className={classes.held}>
      <HoldShape size={44} />
      {t("hold.word")}
    </div>
  );
}

function Steps({ children }: { children: ReactNode }) {
  return <ol className={classes.steps}>{children}</ol>;
}

function Step({ art, cap, word }: { art: ReactNode; cap?: string; word: string }) {
  return (
    <li className={classes.step}>
      <div className={classes.art}>{art}</div>
      {cap !== undefined && <KeyCap cap={cap} />}
      <Text size="sm" fw={600}>
        {word}
      </Text>
    </li>
  );
}

/** A drawn part: a board with four joints, one of them cracked. */
function PartPicture({ flaw = false, large = false }: { flaw?: boolean; large?: boolean }) {
  return (
    <svg aria-hidden="true" className={classes.part} viewBox={large ? "46 4 38 26" : "0 0 92 64"}>
      <rect className={classes.board} x={2} y={2} width={88} height={60} rx={6} />
      {[
        [24, 18],
        [66, 18],
        [24, 46],
        [66, 46],
      ].map(([x, y]) => (
        <circle key={`${x} ${y}`} className={classes.joint} cx={x} cy={y} r={9} />
      ))}
      {flaw && <path className={classes.flaw} d="m60 14 5 3 1 4 5 2" />}
    </svg>
  );
}
