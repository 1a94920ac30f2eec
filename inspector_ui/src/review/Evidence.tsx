import { Alert, Button, Chip, Group, Select, Text, Textarea } from "@mantine/core";
import type { RefObject } from "react";
import { useTranslation } from "react-i18next";
import { nextClass } from "../actions/nextClass";
import { note } from "../actions/note";
import type { Inspection, QueueItem } from "../api/types";
import { useFormat } from "../i18n/format";
import { Reason } from "../i18n/Reason";
import { Icon } from "../icons/Icon";
import { useUnkept } from "../outbox/OutboxProvider";
import { KeyCap } from "../shell/KeyCap";
import { ScoreBar } from "../verdict/ScoreBar";
import { VerdictBadge } from "../verdict/VerdictBadge";
import { Compare } from "./Compare";
import { PastLines } from "./PastLines";
import type { useReviewing } from "./useReviewing";
import { useWhy } from "./useWhy";
import { looksUnknown } from "./why";

interface Props {
  reviewing: ReturnType<typeof useReviewing>;
  inspection: QueueItem;
  classNames: readonly string[];
  noteField: RefObject<HTMLTextAreaElement | null>;
}

const MOST_CHIPS = 6;

/** What the model said and why, and what a person may add to it. */
export function Evidence({ reviewing, inspection, classNames, noteField }: Props) {
  const { t } = useTranslation();
  const { blind } = inspection;
  const { draft, setDraft, otherReview, saveError, takenBy } = reviewing;
  const unkept = useUnkept();
  return (
    <>
      {saveError !== null && (
        <Alert color="red" icon={<Icon name="alert" />} role="alert">
          {t("review.saveFailed", { reason: saveError })}
        </Alert>
      )}
      {unkept !== null && (
        <Alert color="orange" icon={<Icon name="alert" />} role="status" data-testid="unkept">
          {t("review.unkept", { reason: unkept })}
        </Alert>
      )}
      {otherReview !== null && (
        <Alert color="yellow" icon={<Icon name="person" />} role="status">
          {t("review.otherPerson", {
            name: otherReview.reviewer,
            decision: t(`decision.${otherReview.decision ?? "withdrawn"}`),
          })}
        </Alert>
      )}
      {takenBy !== null && (
        <Alert color="yellow" icon={<Icon name="person" />} role="status" data-testid="taken">
          {t("review.takenBy", { name: takenBy })}
          <Button variant="default" mt="xs" onClick={reviewing.pass}>
            {t("review.nextPart")}
          </Button>
        </Alert>
      )}
      {blind ? <BlindNotice /> : <Verdict inspection={inspection} />}
      {classNames.length > 0 && (
        <Group gap="6px 8px">
          <Text size="sm" fw={600}>
            {t("review.defectClass")}
          </Text>
          <KeyCap cap={nextClass.caps[0] ?? ""} />
          {classNames.length <= MOST_CHIPS ? (
            <Chip.Group value={draft.defectClass} onChange={(defectClass) => setDraft({ defectClass })}>
              {classNames.map((name) => (
                <Chip key={name} value={name} size="lg" variant="outline">
                  {name}
                </Chip>
              ))}
            </Chip.Group>
          ) : (
            <Select
              data={[...classNames]}
              value={draft.defectClass}
              searchable
              aria-label={t("review.defectClass")}
              onChange={(defectClass) => setDraft({ defectClass })}
            />
          )}
        </Group>
      )}
      <Compare inspection={inspection} blind={blind} />
      <Textarea
        ref={noteField}
        label={
          <Group gap={8} component="span">
            {t(note.label)} <KeyCap cap={note.caps[0] ?? ""} />
          </Group>
        }
        placeholder={t("review.notePlaceholder")}
        value={draft.note}
        maxLength={2000}
        autosize
        minRows={1}
        maxRows={4}
        onChange={(event) => setDraft({ note: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.code === "Escape" && !event.nativeEvent.isComposing) {
            event.currentTarget.blur();
          }
        }}
      />
      <PastLines inspection={inspection} blind={blind} />
    </>
  );
}

/** Stands where the verdict would: this part is judged by eye alone. */
function BlindNotice() {
  const { t } = useTranslation();
  return (
    <Alert color="steel" icon={<Icon name="eyeOff" />} title={t("review.blind")} data-testid="blind">
      {t("review.blindHint")}
    </Alert>
  );
}

/** The verdict, where its score lies between the limits, and why the part was flagged. */
function Verdict({ inspection }: { inspection: Inspection }) {
  const { t } = useTranslation();
  const format = useFormat();
  const why = useWhy(inspection);
  return (
    <div>
      <VerdictBadge verdict={inspection.verdict} size="lg" />
      {inspection.verdict === "NO_DECISION" ? (
        <>
          <Text fz="xl" fw={650} mt="sm" lh={1.3}>
            {inspection.cause === null ? t("review.whyNothing") : t(`cause.${inspection.cause}`)}
          </Text>
          {inspection.reason !== null && <Reason reason={inspection.reason} />}
          <Text mt="xs">{t("review.held")}</Text>
        </>
      ) : (
        <>
          {inspection.defect_probability !== null && inspection.thresholds !== null && (
            <ScoreBar score={inspection.defect_probability} thresholds={inspection.thresholds} />
          )}
          {inspection.fault !== null ? (
            <Alert color="yellow" icon={<Icon name="alert" />} role="status" mt="sm" data-testid="fault">
              {format.sentences(t(`fault.${inspection.fault}`), t("fault.person"))}
              {inspection.reason !== null && <Reason reason={inspection.reason} />}
            </Alert>
          ) : looksUnknown(inspection) ? (
            <Alert color="yellow" icon={<Icon name="alert" />} role="status" mt="sm" data-testid="unknown">
              {why}
            </Alert>
          ) : (
            <Text mt={6}>{why}</Text>
          )}
          <ClassShares inspection={inspection} />
        </>
      )}
    </div>
  );
}

function ClassShares({ inspection }: { inspection: Inspection }) {
  const { t } = useTranslation();
  const format = useFormat();
  const likely = Object.entries(inspection.class_probability)
    .sort(([, one], [, other]) => other - one)
    .slice(0, 3);
  return (
    <Text size="sm" c="dimmed" mt={4}>
      {likely.map(([name, share]) => `${name} ${format.percent(share)}`).join(" · ")}
      {" · "}
      {inspection.regions.length === 0
        ? t("review.noRegions")
        : t("review.regionsFound", { n: inspection.regions.length })}
    </Text>
  );
}
