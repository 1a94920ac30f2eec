import { Anchor, FileInput, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Answered, ReasonDialog } from "./ReasonDialog";

interface Props {
  title: string;
  hint: string;
  /** An example with the columns, to start from. */
  example: { name: string; content: string };
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
      <CsvInput file={file} onChange={setFile} />
      <Text size="sm">
        <Anchor
          underline="always"
          href={`data:text/csv;charset=utf-8,${encodeURIComponent(example.content)}`}
          download={example.name}
        >
          {t("csv.example")}
        </Anchor>
      </Text>
    </ReasonDialog>
  );
}

/** A file from this machine. */
export function CsvInput({ file, onChange }: { file: File | null; onChange: (file: File | null) => void }) {
  const { t } = useTranslation();
  return (
    <FileInput
      label={t("csv.file")}
      placeholder={t("csv.choose")}
      accept=".csv,text/csv"
      value={file}
      clearable
      clearButtonProps={{ "aria-label": t("csv.clear") }}
      styles={{ input: { minHeight: 44 } }}
      onChange={onChange}
    />
  );
}
