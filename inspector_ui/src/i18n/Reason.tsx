import { Text } from "@mantine/core";
import { useReason } from "./serverReason";

/** Why a frame was held, as the server keeps it, in the language of the page. */
export function Reason({ reason }: { reason: string }) {
  const { words, lang } = useReason()(reason);
  return (
    <Text size="sm" c="dimmed" lang={lang}>
      {words}
    </Text>
  );
}
