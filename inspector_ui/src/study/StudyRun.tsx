import { Button, Group, Image, Progress, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { callActions, callDefective, callGood } from "../actions/callActions";
import { useActionKeys } from "../actions/useActionKeys";
import { api } from "../api/client";
import { imageUrl } from "../api/imageUrl";
import { expectData } from "../api/problem";
import type { StudyTask } from "../api/types";
import { Refusal } from "../people/Refusal";
import { KeyCap } from "../shell/KeyCap";
import { QueryView } from "../shell/QueryView";
import { StudyAid } from "./StudyAid";
import classes from "./StudyRun.module.css";
import { studiesQuery, taskQuery } from "./studyQueries";

interface Props {
  id: string;
  person: string;
  onEnd: () => void;
}

/** One part after the other: the image alone, and a call of good or defective. */
export function StudyRun({ id, person, onEnd }: Props) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const task = useQuery(taskQuery(id, person));
  const since = useRef(Date.now());
  const shown = task.data;
  // the clock starts anew with each part
  // biome-ignore lint/correctness/useExhaustiveDependencies: the part is what it depends on
  useEffect(() => {
    since.current = Date.now();
  }, [shown?.trial, shown?.number]);
  const call = useMutation({
    mutationFn: async ({ task: { trial, number }, defective }: { task: StudyTask; defective: boolean }) =>
      expectData(
        await api.POST("/v1/studies/{id}/answers", {
          params: { path: { id } },
          body: { person, trial, number, defective, seconds: (Date.now() - since.current) / 1000 },
        }),
      ),
    onSuccess: async (next) => {
      queries.setQueryData(taskQuery(id, person).queryKey, next);
      if (next.inspection_id === null) {
        await queries.invalidateQueries({ queryKey: studiesQuery.queryKey });
      }
    },
  });
  const { mutate, isPending } = call;
  useActionKeys(callActions, {
    mayCall: shown !== undefined && shown.inspection_id !== null && !isPending,
    call: (defective) => shown !== undefined && mutate({ task: shown, defective }),
  });
  return (
    <QueryView query={task}>
      {(now) =>
        now.inspection_id === null ? (
          <div className={classes.run}>
            <Title order={1} size="h2">
              {t("study.thanks")}
            </Title>
            <Button onClick={onEnd}>{t("study.back")}</Button>
          </div>
        ) : (
          <div className={classes.run}>
            <Group justify="space-between" w="100%">
              <Title order={1} size="h4">
                {t("study.question", { trial: now.trial })}
              </Title>
              <Button variant="default" onClick={onEnd}>
                {t("study.pause")}
              </Button>
            </Group>
            <Progress
              value={(100 * now.answered) / now.of}
              w="100%"
              aria-label={t("study.progress", { done: now.answered, total: now.of })}
            />
            {now.aid === null ? (
              <Image
                src={imageUrl(now.inspection_id)}
                alt={t("study.image", { n: now.answered + 1 })}
                className={classes.image}
                // the time that the picture takes to come is not the person's
                onLoad={() => {
                  since.current = Date.now();
                }}
              />
            ) : (
              <StudyAid inspection={now.aid} />
            )}
            <Refusal error={call.error} />
            <Group grow w="100%" maw={640}>
              <Button
                size="xl"
                color="red"
                disabled={isPending}
                onClick={() => mutate({ task: now, defective: true })}
                rightSection={<KeyCap cap={callDefective.caps[0] ?? ""} />}
              >
                {t("study.defective")}
              </Button>
              <Button
                size="xl"
                color="teal"
                disabled={isPending}
                onClick={() => mutate({ task: now, defective: false })}
                rightSection={<KeyCap cap={callGood.caps[0] ?? ""} />}
              >
                {t("study.good")}
              </Button>
            </Group>
            <Text size="sm" c="dimmed">
              {t("study.progress", { done: now.answered, total: now.of })}
            </Text>
          </div>
        )
      }
    </QueryView>
  );
}
