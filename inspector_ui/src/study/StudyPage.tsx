import { Button, Group, Paper, Progress, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { ReviewerDialog } from "../reviewer/ReviewerDialog";
import { useReviewer } from "../reviewer/reviewer";
import { Notice } from "../shell/Notice";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { StudyRun } from "./StudyRun";
import { studiesQuery } from "./studyQueries";

/** The studies that this person takes part in, and the calls to make. */
export default function StudyPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const [reviewer, setReviewer] = useReviewer();
  const [running, setRunning] = useState<string | null>(null);
  const query = useQuery(studiesQuery);
  if (reviewer === "") {
    return <ReviewerDialog name="" onSave={setReviewer} />;
  }
  if (running !== null) {
    return <StudyRun id={running} person={reviewer} onEnd={() => setRunning(null)} />;
  }
  return (
    <Page title={t("study.title")}>
      <QueryView query={query}>
        {(studies) => {
          const mine = studies.filter(({ people }) => people.includes(reviewer));
          return mine.length === 0 ? (
            <Notice
              art={<Icon name="person" size={64} />}
              title={t("study.none")}
              hint={t("study.noneHint", { name: reviewer })}
            />
          ) : (
            mine.map((study) => {
              const total = study.parts * study.trials;
              const done = study.answered[reviewer] ?? 0;
              return (
                <Paper key={study.id} p="md" mb="md" component="section">
                  <Group justify="space-between">
                    <div>
                      <Text fw={650}>{study.name}</Text>
                      <Text size="sm" c="dimmed">
                        {t("study.progress", { done: format.count(done), total: format.count(total) })}
                      </Text>
                    </div>
                    <Button disabled={done >= total} onClick={() => setRunning(study.id)}>
                      {t(done >= total ? "study.done" : done > 0 ? "study.goOn" : "study.begin")}
                    </Button>
                  </Group>
                  <Progress value={(100 * done) / total} mt="sm" aria-label={study.name} />
                </Paper>
              );
            })
          );
        }}
      </QueryView>
    </Page>
  );
}
