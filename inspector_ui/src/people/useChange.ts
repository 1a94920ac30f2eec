import { useMutation, useQueryClient } from "@tanstack/react-query";
import { keysQuery, peopleQuery } from "./peopleQueries";

/** A change of people or keys: both lists are read anew afterwards, whatever came of it. */
export function useChange<Result, Input>(change: (input: Input) => Promise<Result>, onDone?: (result: Result) => void) {
  const queries = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: change,
    onSuccess: onDone,
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: peopleQuery.queryKey }),
        queries.invalidateQueries({ queryKey: keysQuery.queryKey }),
      ]),
  });
}
