import { Center, Group, Paper, Stack, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { LanguageMenu } from "../shell/LanguageMenu";

/** The frame of the pages before the door. */
export function Entrance({ title, children }: { title: string; children: ReactNode }) {
  const { t } = useTranslation();
  return (
    <Center mih="100dvh" p="md" component="main">
      <title>{t("app.name")}</title>
      <Paper p="xl" w="100%" maw={440}>
        <Stack>
          <Group justify="space-between">
            <Group gap="xs">
              <img src="/favicon.svg" alt="" width={32} height={32} />
              <Title order={1} size="h3">
                {title}
              </Title>
            </Group>
            <LanguageMenu />
          </Group>
          {children}
        </Stack>
      </Paper>
    </Center>
  );
}
