import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { showGood } from "../actions/holdAction";
import type { Inspection, SimilarCase } from "../api/types";
import { useFormat } from "../i18n/format";
import { Thumbnail } from "../image/Thumbnail";
import { KeyCap } from "../shell/KeyCap";
import { decisionLabel } from "../verdict/decisionLabel";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import classes from "./Compare.module.css";
import { CompareDialog } from "./CompareDialog";
import { similarQuery } from "./similarQuery";

/** A good part, and the most similar past cases with what people decided; a press lays one beside the part. */
export function Compare({ inspection, blind }: { inspection: Inspection; blind: boolean }) {
  const { t } = useTranslation();
  const [opened, setOpened] = useState<SimilarCase | null>(null);
  const { data } = useQuery(similarQuery(inspection.id));
  return (
    <section aria-label={t("compare.title")} className={classes.compare}>
      <div className={classes.group}>
        <Text size="sm" fw={600} component="h3" className={classes.head}>
          {t("compare.good")} <KeyCap cap={showGood.caps[0]} />
        </Text>
        {data?.reference ? (
          <Case one={data.reference} word={t("compare.goodWord")} onOpen={setOpened} />
        ) : (
          <span className={classes.none}>{data === undefined ? "" : t("compare.noGood")}</span>
        )}
      </div>
      <div className={classes.group}>
        <Text size="sm" fw={600} component="h3" className={classes.head}>
          {t("compare.similar")}
        </Text>
        <div className={classes.cases} data-testid="similar">
          {data?.items.map((each) => (
            <Case
              key={each.inspection.id}
              one={each}
              word={t(decisionLabel(each.inspection.review?.decision ?? null, each.inspection.verdict === "PASS"))}
              onOpen={setOpened}
            />
          ))}
          {data?.items.length === 0 && <span className={classes.none}>{t("compare.noSimilar")}</span>}
        </div>
      </div>
      {opened !== null && (
        <CompareDialog inspection={inspection} other={opened} blind={blind} onClose={() => setOpened(null)} />
      )}
    </section>
  );
}

interface CaseProps {
  one: SimilarCase;
  word: string;
  onOpen: (one: SimilarCase) => void;
}

function Case({ one, word, onOpen }: CaseProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const { inspection, similarity } = one;
  const decision = inspection.review?.decision;
  const alike = similarity > 0 ? t("compare.alike", { share: format.percent(similarity, 0) }) : "";
  return (
    <button
      type="button"
      className={classes.case}
      title={`${inspection.part_id}: ${word} ${alike}`}
      onClick={(event) => {
        onOpen(one);
        event.currentTarget.blur();
      }}
    >
      <Thumbnail className={classes.image} inspection={inspection} alt="" />
      <span className={classes.word}>
        <VerdictShape verdict={decision ? decisionVerdict(decision) : "PASS"} size={14} />
        <span>{word}</span>
      </span>
    </button>
  );
}
