import { Button, Group, NumberInput, Radio, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { Refusal } from "../people/Refusal";
import { useReviewer } from "../reviewer/reviewer";
import { Dialog } from "../shell/Dialog";
import { studiesQuery } from "../study/studyQueries";

const KINDS = ["ALONE", "WITH_AI"] as const;
type Kind = (typeof KINDS)[number];

interface Props {
  onClose: () => void;
  onMade: (id: string) => void;
}

/** Plans a study: which people, how many parts and trials. */
export function NewStudy({ onClose, onMade }: Props) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [reviewer] = useReviewer();
  const [name, setName] = useState("");
  const [people, setPeople] = useState<string[]>([]);
  const [kind, setKind] = useState<Kind>("ALONE");
  const [parts, setParts] = useState(50);
  const [trials, setTrials] = useState(3);
  const [refusal, setRefusal] = useState<Error | null>(null);

  async function make(): Promise<void> {
    try {
      const body = {
        name: name.trim(),
        kind,
        people,
        parts,
        trials,
        person: reviewer === "" ? (people[0] ?? "") : reviewer,
      };
      const study = expectData(await api.POST("/v1/studies", { body }));
      await queries.invalidateQueries({ queryKey: studiesQuery.queryKey });
      onMade(study.id);
    } catch (error) {
      setRefusal(error as Error);
    }
  }

  return (
    <Dialog title={t("agreement.plan")} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            {t("study.planHint")}
          </Text>
          <TextInput
            label={t("study.name")}
            value={name}
            maxLength={128}
            data-autofocus
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Radio.Group
            label={t("study.kind")}
            value={kind}
            onChange={(value) => {
              setKind(value as Kind);
              setTrials(value === "WITH_AI" ? 2 : 3);
            }}
          >
            <Stack gap="xs" mt={4}>
              {KINDS.map((each) => (
                <Radio key={each} value={each} label={t(`study.${each}`)} description={t(`study.${each}Hint`)} />
              ))}
            </Stack>
          </Radio.Group>
          <TagsInput
            label={t("study.people")}
            description={t("study.peopleHint")}
            value={people}
            onChange={setPeople}
            maxTags={20}
            // there is nothing to choose from, and an open list, even an empty one, would take the first Escape
            dropdownOpened={false}
          />
          <Group grow>
            <NumberInput
              label={t("study.parts")}
              min={2}
              max={500}
              value={parts}
              onChange={(value) => setParts(Number(value))}
            />
            <NumberInput
              label={t("study.trials")}
              min={kind === "WITH_AI" ? 2 : 1}
              max={10}
              step={kind === "WITH_AI" ? 2 : 1}
              value={trials}
              onChange={(value) => setTrials(Number(value))}
            />
          </Group>
          <Refusal error={refusal} />
          <Group justify="end">
            <Button variant="default" onClick={onClose}>
              {t("reason.cancel")}
            </Button>
            <Button type="submit" disabled={name.trim() === "" || people.length === 0}>
              {t("study.begin")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
