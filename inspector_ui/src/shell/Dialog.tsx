import { Modal } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  title: string;
  /** Absent when the person must answer before anything else. */
  onClose?: () => void;
  size?: "md" | "lg" | (string & {});
  children: ReactNode;
}

export function Dialog({ title, onClose, size, children }: Props) {
  const { t } = useTranslation();
  useFocusBack();
  return (
    <Modal
      opened
      centered
      title={title}
      size={size}
      onClose={onClose ?? (() => undefined)}
      withCloseButton={onClose !== undefined}
      closeButtonProps={{ size: 44, "aria-label": t("help.close") }}
      overlayProps={{ backgroundOpacity: 0.45 }}
    >
      {children}
    </Modal>
  );
}

/** The keyboard goes on where it was when the dialog came. Mantine's own way back needs a Modal that outlives being open. */
function useFocusBack(): void {
  const [opener] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      if (opener instanceof HTMLElement && document.activeElement === document.body) {
        opener.focus();
      }
    },
    [opener],
  );
}
