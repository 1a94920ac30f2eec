import { Modal } from "@mantine/core";
import type { ReactNode } from "react";
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
