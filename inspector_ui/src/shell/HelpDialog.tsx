import { Button, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { Action } from "../actions/action";
import { holdActions } from "../actions/holdAction";
import { boxActions, decideActions, lookActions } from "../actions/reviewActions";
import { showHelp } from "../actions/showHelp";
import { Icon } from "../icons/Icon";
import { Dialog } from "./Dialog";
import { KeyCap } from "./KeyCap";
import { GUIDE } from "./pages";

/** Every key, read from the action objects themselves. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog onClose={onClose} title={t("help.title")} size="lg">
      <Stack>
        <Text size="sm">{t("help.intro")}</Text>
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xl">
          <Stack>
            <Keys title={t("help.review")} actions={decideActions} />
            <div>
              <Keys title={t("help.boxes")} actions={boxActions} />
              <Text size="sm" c="dimmed">
                {t("help.boxKeys")}
              </Text>
            </div>
          </Stack>
          <Stack>
            <Keys title={t("help.image")} actions={lookActions} />
            <Keys title={t("help.hold")} actions={holdActions} />
            <Keys title={t("help.anywhere")} actions={[showHelp]} />
          </Stack>
        </SimpleGrid>
        <Text size="sm" c="dimmed">
          {t("help.mouse")}
        </Text>
        <Group justify="end">
          <Button component={Link} href={GUIDE} variant="default" leftSection={<Icon name="book" />} onClick={onClose}>
            {t("guide.title")}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function Keys({
  title,
  actions,
}: {
  title: string;
  actions: readonly Pick<Action<never>, "name" | "label" | "caps">[];
}) {
  const { t } = useTranslation();
  return (
    <div>
      <Title order={3} size="sm" mb={6}>
        {title}
      </Title>
      {actions.map((action) => (
        <Group key={action.name} justify="space-between" py={4} wrap="nowrap">
          <Text size="sm">{t(action.label)}</Text>
          <Group gap={4} wrap="nowrap">
            {action.caps.map((cap) => (
              <KeyCap key={cap} cap={cap} />
            ))}
          </Group>
        </Group>
      ))}
    </div>
  );
}
