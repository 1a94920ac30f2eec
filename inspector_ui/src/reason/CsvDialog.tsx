import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CsvInput, type Example } from "./CsvInput";
import { type Answered, ReasonDialog } from "./ReasonDialog";

interface Props {
  title: string;
  hint: string;
  example: Example;
  mayForce?: boolean;
  onClose: () => void;
  /** Throws ProblemError when the server refuses the table. */
  send: (content: string, answered: Answered) => Promise<void>;
}

/** Asks for a table, who brings it in and why; what is wrong with it the server says, by line and column. */
export function CsvDialog({ title, hint, example, mayForce = false, onClose, send }: Props) {
  const { t } = useTranslation();
  const [file, setFile] = useState<File | null>(null);
  return (
    <ReasonDialog
      title={title}
      hint={hint}
      action={t("csv.import")}
      mayForce={mayForce}
      incomplete={file === null}
      onClose={onClose}
      perform={async (answered) => send((await file?.text()) ?? "", answered)}
    >
      <CsvInput file={file} onChange={setFile} example={example} />
    </ReasonDialog>
  );
}
