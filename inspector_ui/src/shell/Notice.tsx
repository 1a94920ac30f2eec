import { Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

interface Props {
  art: ReactNode;
  title: string;
  hint?: string;
  children?: ReactNode;
}

/** What stands where content would be: nothing there yet, or something went wrong. */
export function Notice({ art, title, hint, children }: Props) {
  return (
    <Stack align="center" justify="center" gap="xs" p="xl" mih={280} ta="center" role="status">
      <div style={{ color: "var(--quiet)" }}>{art}</div>
      <Title order={2} size="h3">
        {title}
      </Title>
      {hint && (
        <Text c="dimmed" maw={460}>
          {hint}
        </Text>
      )}
      {children}
    </Stack>
  );
}
