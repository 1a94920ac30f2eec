import { Group, Title } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./Page.module.css";
import { ZoneNote } from "./ZoneNote";

interface Props {
  title: string;
  controls?: ReactNode;
  /** As wide as the window, where there is always more to show. */
  wide?: boolean;
  children: ReactNode;
}

/** A page that scrolls: its title, what filters it, and its content. */
export function Page({ title, controls, wide = false, children }: Props) {
  return (
    <div className={classes.page} data-wide={wide}>
      <Group justify="space-between" mb="md" gap="sm">
        <Title order={1} size="h2">
          {title}
        </Title>
        <Group gap="sm">{controls}</Group>
      </Group>
      {children}
      <ZoneNote />
    </div>
  );
}
