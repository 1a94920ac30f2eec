import { Button } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

/** A button that is pressed twice, for what shuts somebody out. */
export function SureButton({ children, onSure }: { children: ReactNode; onSure: () => void }) {
  const { t } = useTranslation();
  const [sure, setSure] = useState(false);
  return (
    <Button
      variant={sure ? "filled" : "subtle"}
      color="red"
      px="sm"
      onBlur={() => setSure(false)}
      onClick={() => {
        if (sure) {
          onSure();
        }
        setSure(!sure);
      }}
    >
      {sure ? t("people.sure") : children}
    </Button>
  );
}
