import { useLocalStorage } from "@mantine/hooks";
import { useWho } from "../who/WhoProvider";

/**
 * Who reviews at this machine: whoever is signed in. Without authentication, the name that the person gave, which is kept
 * in the browser and is never a login; empty until asked.
 */
export function useReviewer(): [string, (name: string) => void] {
  const { auth, name } = useWho();
  const [given, setGiven] = useLocalStorage({
    key: "inspector.reviewer",
    defaultValue: "",
    getInitialValueInEffect: false,
  });
  return [auth ? (name ?? "") : given, setGiven];
}
