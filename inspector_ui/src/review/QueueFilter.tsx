import { Button, Group, Indicator, Popover, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { QueueFilters } from "../api/types";
import { Icon } from "../icons/Icon";
import { useQueueFilters } from "./useHand";

const HOUR = 60;
const AGES = {
  lastHour: { newer_than_minutes: HOUR },
  lastShift: { newer_than_minutes: 8 * HOUR },
  olderHour: { older_than_minutes: HOUR },
  olderShift: { older_than_minutes: 8 * HOUR },
} as const;
type Age = keyof typeof AGES;

const NAMES = ["line", "station", "lot", "class"] as const;

function ageOf({ newer_than_minutes: newer, older_than_minutes: older }: QueueFilters): Age | null {
  const found = (Object.keys(AGES) as Age[]).find((age) => {
    const minutes: QueueFilters = AGES[age];
    return minutes.newer_than_minutes === (newer ?? undefined) && minutes.older_than_minutes === (older ?? undefined);
  });
  return found ?? null;
}

/** Which of what waits to be given. */
export function QueueFilter() {
  const { t } = useTranslation();
  const [opened, setOpened] = useState(false);
  const [filters, setFilters] = useQueueFilters();
  const choices = useQuery({
    queryKey: ["queue", "choices"],
    queryFn: async ({ signal }) => expectData(await api.GET("/v1/reviews/choices", { signal })),
    enabled: opened,
  });
  const { newer_than_minutes: newer, older_than_minutes: older, ...named } = filters;
  const set = Object.values(named).filter((value) => value !== undefined).length + (newer || older ? 1 : 0);
  const change = (changed: QueueFilters) => {
    const both = Object.entries({ ...filters, ...changed }).filter(([, value]) => value !== undefined);
    setFilters(Object.fromEntries(both));
  };
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" width={300} trapFocus returnFocus>
      <Indicator label={set} size={20} disabled={set === 0} color="steel">
        <Popover.Target>
          <Button
            variant="default"
            px="sm"
            leftSection={<Icon name="filter" size={18} />}
            aria-label={set === 0 ? t("queue.filter") : t("queue.filtered", { n: set })}
            onClick={() => setOpened(!opened)}
          >
            {t("queue.filter")}
          </Button>
        </Popover.Target>
      </Indicator>
      <Popover.Dropdown aria-label={t("queue.filter")}>
        <Stack gap="sm">
          {NAMES.map((name) => (
            <Select
              key={name}
              label={t(`queue.${name}`)}
              placeholder={t("queue.any")}
              data={withChosen(choices.data?.[name] ?? [], filters[name])}
              value={filters[name] ?? null}
              clearable
              searchable
              openOnFocus={false}
              comboboxProps={{ withinPortal: false }}
              onChange={(value) => change({ [name]: value ?? undefined })}
            />
          ))}
          <Select
            label={t("queue.age")}
            placeholder={t("queue.any")}
            data={(Object.keys(AGES) as Age[]).map((age) => ({ value: age, label: t(`queue.${age}`) }))}
            value={ageOf(filters)}
            clearable
            comboboxProps={{ withinPortal: false }}
            onChange={(age) =>
              change({
                newer_than_minutes: undefined,
                older_than_minutes: undefined,
                ...(age === null ? {} : AGES[age as Age]),
              })
            }
          />
          <Group justify="space-between">
            <Text size="sm" c="dimmed">
              {t("queue.order")}
            </Text>
            <Button variant="subtle" disabled={set === 0} onClick={() => setFilters({})}>
              {t("queue.clear")}
            </Button>
          </Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

/** A chosen value stays a choice when nothing of it waits any longer. */
function withChosen(values: readonly string[], chosen: string | null | undefined): string[] {
  return chosen && !values.includes(chosen) ? [...values, chosen] : [...values];
}
