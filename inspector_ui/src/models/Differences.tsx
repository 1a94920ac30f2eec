import { Table, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { imageUrl } from "../api/imageUrl";
import type { ShadowComparison, Verdict } from "../api/types";
import { useFormat } from "../i18n/format";
import { Thumbnail } from "../image/Thumbnail";
import classes from "./Differences.module.css";

/** The newest frames that the two gave other verdicts. */
export function Differences({ differences }: { differences: ShadowComparison["differences"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = (verdict: Verdict, score: number | null) =>
    t("models.score", { verdict: t(`verdict.${verdict}`), score: score === null ? "–" : format.percent(score) });
  return (
    <>
      <Title order={3} size="h5" mt="md" mb="xs">
        {t("models.differences")}
      </Title>
      {differences.length === 0 ? (
        <Text>{t("models.differencesNone")}</Text>
      ) : (
        <Table.ScrollContainer minWidth={560} mah={420}>
          <Table verticalSpacing={4} tabularNums>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("review.image")}</Table.Th>
                <Table.Th>{t("review.part")}</Table.Th>
                <Table.Th>{t("models.pairActive")}</Table.Th>
                <Table.Th>{t("models.pairShadow")}</Table.Th>
                <Table.Th>{t("models.reviewed")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {differences.map(({ inspection, shadow_verdict, shadow_defect_probability }) => (
                <Table.Tr key={inspection.id} data-testid="difference">
                  <Table.Td>
                    <a href={imageUrl(inspection.id)} target="_blank" rel="noreferrer">
                      <Thumbnail className={classes.image} inspection={inspection} alt={inspection.part_id} />
                    </a>
                  </Table.Td>
                  <Table.Td>{inspection.part_id}</Table.Td>
                  <Table.Td>{words(inspection.verdict, inspection.defect_probability)}</Table.Td>
                  <Table.Td>{words(shadow_verdict, shadow_defect_probability)}</Table.Td>
                  <Table.Td>{inspection.review?.decision ? t(`decision.${inspection.review.decision}`) : "–"}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </>
  );
}
