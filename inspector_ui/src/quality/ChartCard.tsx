import { Paper, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

interface Props {
  title: string;
  /** Shown instead of the chart when there is nothing to draw. */
  empty?: string | false;
  children: ReactNode;
}

export function ChartCard({ title, empty, children }: Props) {
  return (
    <Paper p="md" miw={0}>
      <Title order={2} size="h4" mb="sm">
        {title}
      </Title>
      {empty ? (
        <Text c="dimmed" py="xl" ta="center">
          {empty}
        </Text>
      ) : (
        children
      )}
    </Paper>
  );
}
