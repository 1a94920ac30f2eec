import "@mantine/charts/styles.css";
import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Icon } from "../icons/Icon";
import { Notice } from "../shell/Notice";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { useMay } from "../who/WhoProvider";
import { HoldsCard } from "./HoldsCard";
import { RetentionCard } from "./RetentionCard";
import { thresholdsQuery } from "./settingsQueries";
import { ThresholdsCard } from "./ThresholdsCard";

/** What those with the role set while the line runs: thresholds, how long things are kept, and what is kept longer. */
export default function SettingsPage() {
  const { t } = useTranslation();
  const thresholds = useQuery(thresholdsQuery);
  const mayHold = useMay("holds");
  return (
    <Page title={t("settings.title")}>
      <Stack>
        <QueryView query={thresholds}>
          {(places) =>
            places.length === 0 ? (
              <Notice
                art={<Icon name="screen" size={64} />}
                title={t("settings.noThresholds")}
                hint={t("settings.noThresholdsHint")}
              />
            ) : (
              places.map((here) => <ThresholdsCard key={JSON.stringify(here.recipe)} here={here} />)
            )
          }
        </QueryView>
        {mayHold && <RetentionCard />}
        {mayHold && <HoldsCard />}
      </Stack>
    </Page>
  );
}
