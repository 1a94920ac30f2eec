import { useLocalStorage } from "@mantine/hooks";

/** Who reviews at this machine; empty until asked. Kept in the browser, never a login. */
export function useReviewer(): [string, (name: string) => void] {
  const [name, setName] = useLocalStorage({
    key: "inspector.reviewer",
    defaultValue: "",
    getInitialValueInEffect: false,
  });
  return [name, setName];
}
