import "@mantine/charts/styles.css";
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { DriftReport } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Notice } from "../shell/Notice";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { CameraCard } from "./CameraCard";
import { driftQuery } from "./driftQuery";

/** Whether the frames of each camera are still what they were. */
export default function DriftPage() {
  const { t } = useTranslation();
  const query = useQuery(driftQuery);
  return (
    <Page title={t("drift.title")}>
      <QueryView query={query}>{(report) => <Report report={report} />}</QueryView>
    </Page>
  );
}

function Report({ report }: { report: DriftReport }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (report.cameras.length === 0) {
    return (
      <Notice
        art={<Icon name="screen" size={64} />}
        title={t("drift.empty")}
        hint={t("drift.emptyHint", { n: format.count(report.step) })}
      />
    );
  }
  return (
    <>
      <Text c="dimmed" mb="md" maw={1000}>
        {t("drift.intro", {
          window: format.count(report.window),
          reference: format.count(report.reference),
          chance: format.percent(report.false_alarm, 2),
        })}
      </Text>
      {report.cameras.map((camera) => (
        <CameraCard key={`${camera.line}/${camera.station}/${camera.camera}`} camera={camera} />
      ))}
    </>
  );
}
