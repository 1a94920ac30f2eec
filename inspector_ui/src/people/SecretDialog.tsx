import { Button, Code, CopyButton, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Dialog } from "../shell/Dialog";

interface Props {
  title: string;
  text: string;
  secret: string;
  onClose: () => void;
}

/** A key or one-time password: after this dialog nobody can read it again. */
export function SecretDialog({ title, text, secret, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <Dialog title={title}>
      <Stack>
        <Text>{text}</Text>
        <Code block data-testid="secret" style={{ overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>
          {secret}
        </Code>
        <CopyButton value={secret}>
          {({ copied, copy }) => (
            <Button variant="default" onClick={copy}>
              {t(copied ? "people.copied" : "people.copy")}
            </Button>
          )}
        </CopyButton>
        <Button onClick={onClose}>{t("people.kept")}</Button>
      </Stack>
    </Dialog>
  );
}
